"""One of two model servers behind a balancer comes back without its model, and says that it is ready."""

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import asks
from plumbline.lab.parts import Models, Server

BALANCER = """
global
    hard-stop-after 1s
defaults
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server 10s
    retries 1
    option redispatch
    default-server check inter 150ms fall 2 rise 1
frontend clients
    bind "127.0.0.1:{port}"
    default_backend models
backend models
    option httpchk GET /v2/health/ready
    http-check expect status 200
    server model-a "127.0.0.1:${MODEL_A_PORT}"
    server model-b "127.0.0.1:${MODEL_B_PORT}"
"""
START = 'test -s balancer.cfg || printf "%s" "$1" > balancer.cfg; exec haproxy -W -f balancer.cfg'
MODEL = {"registry": "{models.registry}", "model": "churn", "ref": "production", "finite": True}


class ReadyWithoutModel(Fault):
    """Its next start names a version that there is not. The load fails, the server goes on, the check is green."""

    needs = frozenset({"haproxy"})
    topology = Topology(
        victim="balancer",
        parts=(
            Models(),
            Server("model-a", "shelf", config=MODEL),
            Server("model-b", "shelf", config=MODEL),
            Server("balancer", argv=("sh", "-c", START, "sh", BALANCER)),
        ),
        workload=Workload(requests_hz=20.0, asks=asks()),
    )
    hurts_when = HurtsWhen(request_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Deploy the second server with a misspelt version."""
        lab.part("model-b").tell(ref="prodution")
        lab.part("model-b").restart()
