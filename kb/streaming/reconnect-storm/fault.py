"""A channel takes fewer readers than come, and those it refuses try again at once, all together."""

import time
from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Population, Topology, Workload
from plumbline.lab.parts import Cpu

SMALL = 0.06
"""Processors of the gateway: the lab is a model at a small scale."""
CROWD = 400
WATCH = f"""
export NSTAT_HISTORY="$PWD/nstat.history"  # others on this machine may use it, too
nstat -n
until [ "$(nstat -sz TcpPassiveOpens | awk '/TcpPassiveOpens/ {{print $2}}')" -ge {CROWD} ]; do sleep 0.2; done
nstat -z TcpPassiveOpens TcpAttemptFails
echo done
"""
"""Until as many have come as there are clients in the crowd, however long that takes this machine: the counters."""


class RefusedInStep(Fault):
    """After a deployment 400 clients come to a channel for twenty; without back-off, four times a second."""

    topology = Topology(
        netns=True,  # the backlog's sysctl, and the kernel's counters, are the lab's own
        parts=(Cpu(cores=1.0),),
        workload=Workload(subscribers=3, rate_hz=10.0, connects_hz=2.0, connect_timeout_s=4.0),
    )

    def inject(self, lab: Lab) -> None:
        """Refuse most of a crowd whose retry loop has a fixed, short pause."""
        lab.part("cpu").tell(cores=SMALL)
        lab.set(**{"channels.crowd.max_subscribers": 20})
        lab.populate(Population(name="crowd", count=CROWD, channels=("crowd",), jitter=0.0, retry_s=0.25))

    def felt(self, lab: Lab) -> Felt:
        """It hurts when those who have nothing to do with it get their messages, or in, late."""
        service, crowd = lab.service(window_s=2.0), lab.population("crowd")
        hurts = service.p99_s > 0.25 or service.connect_p99_s > 0.6
        sentence = (
            f"others: p99 {service.p99_s:.2f} s, fresh connections p99 {service.connect_p99_s:.2f} s; the crowd tried "
            f"{crowd.connects} times in {crowd.window_s:.1f} s, {crowd.failed} in vain"
        )
        return Felt(hurts, sentence, {"p99_s": service.p99_s, "connect_p99_s": service.connect_p99_s})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: nothing is logged of those who are refused; the kernel counts."""
        lab.spawn("nstat", "sh", "-c", WATCH)
        shown: Path = lab.folder / "nstat.log"
        deadline = time.monotonic() + 60
        while "done" not in (text := shown.read_text() if shown.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
