"""The gateway has a short accept queue, the kernel allows no longer one, and clients come in bursts."""

import time
from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Topology, Workload

BACKLOG, SOMAXCONN = 8, 16
BURST = 120


class ShortAcceptQueue(Fault):
    """Many clients at the same moment, as after a deploy: the queue is full before the gateway has taken the first."""

    topology = Topology(
        settings={"listen_backlog": 4096},
        netns=True,
        workload=Workload(subscribers=2, rate_hz=10.0, connects_hz=1.0, connects_at_once=20, connect_timeout_s=5.0),
    )

    def inject(self, lab: Lab) -> None:
        """Cut both limits down (only in the lab's own network namespace), then send the bursts."""
        lab.spawn("cut-somaxconn", "sysctl", "-qw", f"net.core.somaxconn={SOMAXCONN}")
        lab.set(listen_backlog=BACKLOG)
        lab.client("connect_storm", "--burst", str(BURST), "--every", "1", "--timeout", "10")

    def felt(self, lab: Lab) -> Felt:
        """It hurts when fresh connections take a second more, which is what a lost SYN costs, or fail."""
        service = lab.service()
        hurts = service.connect_p99_s > 0.9 or service.connects_failed > 0
        sentence = f"fresh connections: p99 {service.connect_p99_s:.2f} s, {service.connects_failed} failed"
        return Felt(hurts, sentence, {"connect_p99_s": service.connect_p99_s})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: the server logs nothing, the kernel counts."""
        lab.spawn("netstat", "sh", "-c", "nstat -az 'TcpExtListen*'; ss -Hltn; echo done")
        log: Path = lab.folder / "netstat.log"
        deadline = time.monotonic() + 10
        while "done" not in (text := log.read_text() if log.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
