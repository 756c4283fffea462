"""A database becomes slow, and a chat server asks it where its event loop runs."""

from plumbline.lab import Fault, HurtsWhen, Lab, Population, Topology, Workload
from plumbline.lab.parts import Server


class SlowDatabase(Fault):
    """The mistake is old: each message looks its author up in place. It shows on the day the database takes 0.6 s."""

    topology = Topology(
        victim="rooms",
        parts=(
            Server("database", "upstream", config={"delay_s": 0.004, "connections": 16}),
            Server("rooms", "rooms", config={"upstream": "{database.url}", "calls": "inline"}),
        ),
        populations=(
            Population("writers", kind="publishers", count=1, channels=("room",), rate_hz=1.0, message_bytes=80),
            Population("readers", kind="subscribers", count=4, channels=("room",)),
        ),
        # Who asks for nothing but a page waits for the lookup of somebody else's message.
        workload=Workload(requests_hz=10.0, request_path="/healthz"),
    )
    hurts_when = HurtsWhen(request_p99_s=0.3)

    def inject(self, lab: Lab) -> None:
        """Let the database take its time."""
        lab.part("database").tell(delay_s=0.6)
