"""A gateway that is hardened: its limit falls below what its publishers have always sent."""

from plumbline.lab import Fault, HurtsWhen, Lab, Population, Topology, Workload


class LimitBelowTheSenders(Fault):
    """Messages of 3, 4 and 6 KiB are usual; the limit becomes 1 KiB, and each of them ends its connection."""

    # The crowd comes from addresses and with sizes of its own: it is the limit, not one client that has gone wrong.
    topology = Topology(
        workload=Workload(subscribers=2, message_bytes=4096),
        populations=(
            Population("sensors", kind="publishers", count=2, addresses=2, channels=("sensors",), rate_hz=2.0,
                       message_bytes=3000),
            Population("cameras", kind="publishers", count=2, addresses=2, channels=("cameras",), rate_hz=2.0,
                       message_bytes=6000),
        ),
    )  # fmt: skip
    hurts_when = HurtsWhen(delivery_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Lower the limit of the running gateway."""
        lab.set(max_message_bytes=1024)
