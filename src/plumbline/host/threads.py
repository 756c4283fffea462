"""Threads of processes, as the scheduler sees them: time run, time waited for a processor, who wants to run now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MOST = 4096
"""Threads that are looked at: more would cost more than the answer is worth."""


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread at one moment.

    Args:
        ran_s: Processor time used so far, in seconds.
        waited_s: Time it was ready to run and had no processor so far, in seconds; a throttled thread does not count.
        runnable: It runs or wants to.
    """

    ran_s: float
    waited_s: float
    runnable: bool


def of_processes(pids: Iterable[int], root: Path = Path("/")) -> dict[tuple[int, int], Thread]:
    """Return the threads of processes, by process and thread; those that end meanwhile are left out."""
    found: dict[tuple[int, int], Thread] = {}
    for pid in pids:
        try:
            entries = list((root / "proc" / str(pid) / "task").iterdir())
        except OSError:  # ended
            continue
        for entry in entries[: _MOST - len(found)]:
            try:
                found[pid, int(entry.name)] = _thread(entry)
            except (OSError, ValueError):  # ended
                continue
    return found


def _thread(folder: Path) -> Thread:
    state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
    ran, waited, *_ = (folder / "schedstat").read_text().split()
    return Thread(int(ran) / 1e9, int(waited) / 1e9, state == "R")


@dataclass(frozen=True, slots=True)
class Use:
    """What threads did between two moments, in processor seconds per second.

    Args:
        all: All together.
        busiest: The one that ran most.
        waiting: Waiting for a processor, all together.
    """

    all: float
    busiest: float
    waiting: float


def use(before: dict[tuple[int, int], Thread], after: dict[tuple[int, int], Thread], window_s: float) -> Use:
    """Compare two moments; threads that are in one of them only are left out."""
    both = [(before[key], thread) for key, thread in after.items() if key in before]
    ran = [max(0.0, new.ran_s - old.ran_s) / window_s for old, new in both]
    waited = sum(max(0.0, new.waited_s - old.waited_s) for old, new in both) / window_s
    return Use(all=sum(ran), busiest=max(ran, default=0.0), waiting=waited)
