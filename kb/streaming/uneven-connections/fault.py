"""A worker is added when the first is full: the connections that exist stay where they are."""

import time
from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Population, Topology, Workload
from plumbline.streaming.probes.adminclient import ask

UNEVEN = 1.4
"""Share of the mean above which a person would say that one worker does the work; chance gives 60 clients some 1.1."""


class AddedTooLate(Fault):
    """Sixty quiet clients on one worker; then there are two, and the second gets newcomers only."""

    topology = Topology(
        workers=1,
        settings={"drain_s": 0.5},
        populations=(Population(name="crowd", count=60, channels=("crowd",), rate_hz=60.0, retry_s=0.1),),
        workload=Workload(subscribers=2, rate_hz=10.0),
    )

    def inject(self, lab: Lab) -> None:
        """Scale out, as an autoscaler would."""
        ask(lab.gateway.admin, {"scale": 2}, 30.0)

    def felt(self, lab: Lab) -> Felt:
        """It hurts when nearly all clients share the fate of one process, though there are two."""
        crowd = lab.population("crowd")
        counts = [row["connections"] or 0 for row in lab.workers() if row["state"] == "ready"]
        mean = sum(counts) / len(counts) if counts else 0.0
        share = max(counts) / mean if mean else 1.0
        sentence = (
            f"{max(counts, default=0)} of {sum(counts)} connections are on one of {len(counts)} workers "
            f"({share:.2f} of the mean); {crowd.connected} of {crowd.wanted} of the crowd are connected"
        )
        return Felt(share > UNEVEN or crowd.connected < crowd.wanted, sentence, {"share": share})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: nothing is logged, `plumb gateway workers` shows it."""
        lab.spawn("workers", "sh", "-c", "COLUMNS=120 plumb gateway workers; echo done")
        shown: Path = lab.folder / "workers.log"
        deadline = time.monotonic() + 15
        while "done" not in (text := shown.read_text() if shown.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
