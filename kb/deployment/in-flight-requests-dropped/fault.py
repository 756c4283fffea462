"""Workers that are replaced get less time to end than an answer takes, and deployment follows deployment."""

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import asks
from plumbline.lab.parts import Known, Server

DEPLOY = 'while :; do kill -HUP "$(cat "$MODEL_PIDFILE")"; sleep 1; done'
"""Rolling out again and again, as during a busy afternoon: so what was changed shows at the next one."""


class KilledWhileAnswering(Fault):
    """Somebody wants quicker deployments, and cuts the workers' grace down to 20 ms; an answer takes 200 ms."""

    topology = Topology(
        victim="model",
        parts=(Known(), Server("model", "pool", config={"workers": 2, "work_s": 0.2, "grace_s": 30.0})),
        workload=Workload(requests_hz=20.0, asks=asks(), request_timeout_s=10.0),
    )
    hurts_when = HurtsWhen(request_ratio=0.95, window_s=4.0)

    def inject(self, lab: Lab) -> None:
        """Shorten the grace, and deploy."""
        lab.part("model").tell(grace_s=0.02)
        lab.spawn("deployments", "sh", "-c", DEPLOY)
