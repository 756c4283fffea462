"""How a process's memory grows: its private pages over a window, and a straight line through them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from plumbline.streaming.probes.sockets import PROC

PERIOD_S = 0.1
_KEYS = ("RssAnon:", "VmSwap:")


class Line(NamedTuple):
    """A straight line through samples, by least squares.

    Args:
        slope: Bytes per second.
        error: Two standard errors of the slope.
        steady: Each half of the window has at least a quarter of the growth: no single step.
        growth: Last sample minus the first, in bytes.
    """

    slope: float
    error: float
    steady: bool
    growth: int


def private_bytes(pid: int, proc: Path = PROC) -> int:
    """Return the process's own pages, in memory or swapped out; files and shared memory are not counted.

    `/proc/PID/status` has them without the walk over all pages that `smaps` makes, for which the process may wait.

    Raises:
        FileNotFoundError: No such process.
    """
    lines = (proc / str(pid) / "status").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(_KEYS))


def sample(
    pid: int,
    window_s: float,
    proc: Path = PROC,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> list[tuple[float, int]]:
    """Read the private bytes ten times a second; returns moments and bytes.

    Raises:
        FileNotFoundError: The process is not there, or has ended.
    """
    began = clock()
    found = [(0.0, private_bytes(pid, proc))]
    while (now := clock() - began) < window_s:
        pause(PERIOD_S)
        found.append((now + PERIOD_S, private_bytes(pid, proc)))
    return found


def line(samples: Sequence[tuple[float, int]]) -> Line:
    """Put a straight line through at least three samples at different moments."""
    count = len(samples)
    mean_x, mean_y = (math.fsum(one[axis] for one in samples) / count for axis in (0, 1))
    spread = math.fsum((x - mean_x) ** 2 for x, _ in samples)
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in samples) / spread
    rest = math.fsum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in samples)
    error = 2 * math.sqrt(rest / max(1, count - 2) / spread)
    first, middle, last = samples[0][1], samples[count // 2][1], samples[-1][1]
    steady = min(middle - first, last - middle) * 4 >= last - first > 0
    return Line(slope, error, steady, last - first)
