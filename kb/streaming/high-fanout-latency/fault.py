"""A ticker publishes each change by itself to a channel that many read: more deliveries than the processor bears."""

import time
from pathlib import Path

from plumbline.lab import Fault, HurtsWhen, Lab, Population, Topology, Workload
from plumbline.lab.parts import Cpu

READERS = 120
SMALL = 0.016
"""Processors of the gateway: the lab is a model at a small scale, of 7,500 readers on one core."""


class OneByOne(Fault):
    """Eighty changes a second, each a message of its own, to 120 readers: 9,600 deliveries a second."""

    topology = Topology(
        parts=(Cpu(cores=1.0),),
        settings={"queue_max_messages": 100_000, "queue_max_bytes": 8 << 20},
        populations=(Population(name="audience", count=READERS, channels=("ticks",), rate_hz=120.0),),
        workload=Workload(subscribers=2, rate_hz=10.0, connects_hz=1.0),
    )
    hurts_when = HurtsWhen(p99_s=0.15)

    def inject(self, lab: Lab) -> None:
        """Give the gateway its small share of a processor, and let the ticker begin."""
        lab.part("cpu").tell(cores=SMALL)
        lab.populate(
            Population(
                name="ticker",
                kind="publishers",
                count=2,
                channels=("ticks",),
                rate_hz=40.0,
                message_bytes=100,
                unanswered=16,  # else what it cannot take piles up before it, and it answers nobody for a minute
            )
        )

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: nothing is logged, `plumb gateway show stats` counts."""
        lab.spawn("stats", "sh", "-c", "plumb gateway show stats | grep -E 'published|deliveries|loop_lag'; echo done")
        shown: Path = lab.folder / "stats.log"
        deadline = time.monotonic() + 15
        while "done" not in (text := shown.read_text() if shown.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
