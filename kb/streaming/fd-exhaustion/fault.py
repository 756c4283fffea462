"""The gateway runs under a low soft limit of open files, and more clients come than it leaves room for."""

import resource
from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Topology, Workload

SOFT_LIMIT = 128
CLIENTS = 200


class TooFewDescriptors(Fault):
    """accept() fails with EMFILE: those inside are served, those outside wait in the kernel's queue."""

    needs = frozenset({"linux"})  # prlimit of another process
    topology = Topology(workload=Workload(subscribers=3, rate_hz=10.0, connects_hz=4.0))

    def inject(self, lab: Lab) -> None:
        """Lower the soft limit, now and for every restart, and let more clients come than it allows."""
        hard = resource.prlimit(lab.gateway.pid, resource.RLIMIT_NOFILE)[1]
        drop_in = Path(lab.environment["GATEWAY_UNIT"]) / "20-deploy.conf"
        drop_in.write_text(f"[Service]\nLimitNOFILE={SOFT_LIMIT}:{hard}\n")
        resource.prlimit(lab.gateway.pid, resource.RLIMIT_NOFILE, (SOFT_LIMIT, hard))
        lab.client("connection_holder", "--count", str(CLIENTS), "--rate", "400")

    def felt(self, lab: Lab) -> Felt:
        """It hurts when clients that connect afresh do not get in."""
        service = lab.service()
        tried = service.connects_ok + service.connects_failed
        sentence = f"{service.connects_failed} of {tried} fresh connections failed, {service.clients} others are served"
        return Felt(service.connects_failed > 0, sentence, {"connect_ratio": service.connect_ratio})
