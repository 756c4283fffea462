"""Deployments as usual; a change of the workers' start drops the warm-up, so that they load when they are asked."""

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import asks
from plumbline.lab.parts import Known, Server

DEPLOY = 'while :; do kill -HUP "$(cat "$MODEL_PIDFILE")"; sleep 2; done'
"""Rolling out again and again, as during a busy afternoon: so what was changed shows at the next one."""


class NoWarmUp(Fault):
    """Each new worker says that it is ready, the old ones go, and the first requests wait for a second of loading."""

    topology = Topology(
        victim="model",
        parts=(Known(), Server("model", "pool", config={"work_s": 0.005, "load_s": 1.0, "warm": True})),
        workload=Workload(requests_hz=20.0, asks=asks(), request_timeout_s=10.0),
    )
    hurts_when = HurtsWhen(request_p99_s=0.6, window_s=4.0)

    def inject(self, lab: Lab) -> None:
        """Start workers without it from now on, and deploy."""
        lab.part("model").tell(warm=False)
        lab.spawn("deployments", "sh", "-c", DEPLOY)
