"""After a change of configuration the copy's server looks for its origin at an address where nobody listens."""

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Nats, Node


class LinkCut(Fault):
    """Region west mirrors region east; its leaf-node link does not come up again after a restart."""

    topology = Topology(
        broker="nats",
        monitored="nats-b",
        parts=(
            Nats(domain="east"),
            Nats("nats-b", domain="west", leaf_of="nats"),
            Node("gateway-b", broker="nats-b"),
        ),
        workload=Workload(subscribers=4, rate_hz=20.0, subscribe_at=("gateway-b",)),
    )
    hurts_when = HurtsWhen(delivery_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Let the remote's port be a wrong one, and restart the copy's server, as a deploy does."""
        server = lab.part("nats-b")
        right = f"127.0.0.1:{lab.environment['NATS_LEAF_PORT']}"
        server.config.write_text(server.config.read_text().replace(right, "127.0.0.1:7422"))
        server.restart()
