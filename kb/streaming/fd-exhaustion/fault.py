"""The gateway runs under a low soft limit of open files, and more clients come than it leaves room for."""

import resource

from plumbline.lab import Fault, Felt, Lab, Topology, Workload

SOFT_LIMIT = 128
CLIENTS = 200


class TooFewDescriptors(Fault):
    """accept() fails with EMFILE: those inside are served, those outside wait in the kernel's queue."""

    topology = Topology(workload=Workload(subscribers=3, rate_hz=10.0, connects_hz=4.0))

    def inject(self, lab: Lab) -> None:
        """Deploy a unit with a low soft limit under the old hard one, and let more clients come than it allows."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limit = "infinity" if hard == resource.RLIM_INFINITY else hard
        drop_in = lab.folder / "gateway.service.d" / "20-deploy.conf"
        drop_in.write_text(f"[Service]\nLimitNOFILE={SOFT_LIMIT}:{limit}\n")
        lab.gateway.restart()
        lab.client("connection_holder", "--count", str(CLIENTS), "--rate", "100")

    def felt(self, lab: Lab) -> Felt:
        """It hurts when clients that connect afresh do not get in."""
        service = lab.service()
        tried = service.connects_ok + service.connects_failed
        sentence = f"{service.connects_failed} of {tried} fresh connections failed, {service.clients} others are served"
        return Felt(service.connects_failed > 0, sentence, {"connect_ratio": service.connect_ratio})
