"""A quota of processor time below what the service needs, on a machine that has time to spare."""

import time

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Cpu, Server

ENOUGH, TOO_LITTLE = 1.5, 0.05
"""Cores. Each request computes for 5 ms, 20 come in a second: 0.1 cores without what HTTP itself takes."""


class QuotaTooSmall(Fault):
    """Somebody gives all services the quota of one that idles."""

    topology = Topology(
        victim="web",
        parts=(Cpu(cores=ENOUGH), Server("web", "web")),
        workload=Workload(requests_hz=20.0, request_path="/work?ms=5", request_timeout_s=3.0),
    )
    hurts_when = HurtsWhen(request_p99_s=0.9)

    def inject(self, lab: Lab) -> None:
        """Lower the quota of the running service's control group."""
        lab.part("cpu").tell(cores=TOO_LITTLE)

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: the service logs nothing, the kernel counts."""
        lab.spawn("cpu-stat", "sh", "-c", 'echo "$ cat cpu.stat"; cat "$CPU_CGROUP/cpu.stat"; echo done')
        log = lab.folder / "cpu-stat.log"
        deadline = time.monotonic() + 10
        while "done" not in (text := log.read_text() if log.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
