"""What a server costs: CPU of a whole process tree to the nanosecond, resident memory, kernel slab."""

from collections.abc import Iterable
from pathlib import Path

import psutil


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        root = psutil.Process(pid)
        return [pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.Error:
        return []


def cpu_us(pids: Iterable[int]) -> float:
    """Return the CPU time that all threads of these processes have had, in microseconds (`schedstat`)."""
    total = 0
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(path.read_text().split()[0])
            except OSError:  # a thread that ended
                continue
    return total / 1000


def system_us(pids: Iterable[int]) -> float:
    """Return the part of that which was spent in the kernel, in microseconds, to a hundredth of a second."""
    return sum(psutil.Process(pid).cpu_times().system for pid in pids if psutil.pid_exists(pid)) * 1e6


def resident(pids: Iterable[int]) -> int:
    """Return resident memory in bytes."""
    return sum(psutil.Process(pid).memory_info().rss for pid in pids if psutil.pid_exists(pid))


def slab() -> int:
    """Return the kernel's slab memory in bytes, all of it."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0


class Meter:
    """Takes CPU, memory and slab as each phase begins and ends.

    Args:
        pid: Root of the server's process tree.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.began = {}
        self.ended = {}

    def now(self) -> dict[str, float]:
        """Return what is now."""
        pids = tree(self.pid)
        return {"cpu_us": cpu_us(pids), "system_us": system_us(pids), "resident": resident(pids), "slab": slab()}

    def __call__(self, phase: str, begins: bool) -> None:
        """Note it; the generator's `turn` hook."""
        (self.began if begins else self.ended)[phase] = self.now()

    def system(self, first: str, last: str) -> float:
        """Return the part of that which was spent in the kernel."""
        return self.ended[last]["system_us"] - self.began[first]["system_us"]

    def cpu(self, first: str, last: str) -> float:
        """Return microseconds of CPU from the beginning of one phase to the end of another."""
        return self.ended[last]["cpu_us"] - self.began[first]["cpu_us"]
