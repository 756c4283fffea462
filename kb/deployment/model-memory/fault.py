"""Somebody wants a quick way back: the server shall keep the versions before. Nobody says how many."""

import time
from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Topology, Workload
from plumbline.lab.churn import asks
from plumbline.lab.parts import Models, Server

ALL = 100_000
LOADS, LONGEST_S, MOST = 3, 10.0, 100_000


class KeepsAll(Fault):
    """The model is loaded anew every 0.4 s, with a table of 600 KiB, and no version is ever let go."""

    topology = Topology(
        victim="model",
        parts=(
            Models(),
            Server(
                "model",
                "reloading",
                config={"registry": "{models.registry}", "finite": True, "reload_s": 0.4, "versions_kept": 1},
            ),
        ),
        workload=Workload(requests_hz=10.0, asks=asks()),
    )

    def inject(self, lab: Lab) -> None:
        """Lift the bound, in the server's configuration."""
        lab.part("model").tell(versions_kept=ALL)

    def felt(self, lab: Lab) -> Felt:
        """It hurts, before any client notices, when memory does not come back after a load: seen from outside."""
        model = lab.part("model")
        loads, private, began = loaded(model.log), private_bytes(model.pid), time.monotonic()
        while (more := loaded(model.log) - loads) < LOADS and time.monotonic() - began < LONGEST_S:
            time.sleep(0.1)
        kept = (private_bytes(model.pid) - private) / max(1, more)
        told = f"{kept / 1000:.0f} kB more for each of {more} loads (limit {MOST / 1000:.0f} kB)"
        return Felt(kept > MOST, told, {"kept_bytes": kept})


def loaded(log: Path) -> int:
    """Return how often the server has loaded its model, all its starts together, as it logs."""
    return log.read_text().count("' loaded, ")


def private_bytes(pid: int) -> int:
    """Return what the process has of its own."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon:", "VmSwap:")))
