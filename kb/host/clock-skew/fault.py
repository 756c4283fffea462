"""The machine that issues tokens loses its time: what it signs now is valid only in a minute and a half."""

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Clock, Server

AHEAD_S = 90.0


class IssuerIsAhead(Fault):
    """The issuer's clock runs ahead. No clock of this machine is touched: the issuer reads it with an offset."""

    topology = Topology(
        victim="web",
        parts=(
            Clock(name="reference"),
            Clock(name="issuer", asked_by="http"),
            Server("web", "web", config={"time_url": "{issuer.url}", "leeway_s": 0}),
        ),
        workload=Workload(requests_hz=10.0, request_path="/token"),
    )
    hurts_when = HurtsWhen(request_ratio=0.98)

    def inject(self, lab: Lab) -> None:
        """Set the issuer's clock ahead."""
        lab.part("issuer").tell(offset_s=AHEAD_S)
