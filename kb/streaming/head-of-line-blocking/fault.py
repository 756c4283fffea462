"""Map tiles and alerts share a connection, the link is slow, and one day the tiles are 1.4 MB."""

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Server


class LargeTiles(Fault):
    """Each tile takes a second of the link; alerts behind it wait for so long."""

    topology = Topology(
        settings={"max_message_bytes": 4 << 20, "queue_max_bytes": 8 << 20},
        parts=(
            Server("link", "slowlink", config={"target": "127.0.0.1:{gateway.port}", "bytes_hz": 1_400_000}),
            Server(
                "tiles", "tiles", config={"gateway": "{gateway.url}", "bytes": 2048, "every_s": 1.5, "as": "message"}
            ),
        ),
        # Of two subscribers one is behind the slow link; both read the alerts (lab.0) and the tiles.
        workload=Workload(subscribers=2, subscribe_at=("link",), also=("tiles",), rate_hz=20.0),
    )
    hurts_when = HurtsWhen(p99_s=0.5)

    def inject(self, lab: Lab) -> None:
        """Publish tiles in full size."""
        lab.part("tiles").tell(bytes=1_400_000)
