"""What processes cost: processor time from the scheduler, the quota they live under, and the floor of one send here."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from plumbline.streaming.probes.sockets import PROC

_CGROUPS = Path("/sys/fs/cgroup")
_BYTES = 256
_SENDS = 400
_DRAIN_EACH = 50


@dataclass(frozen=True, slots=True)
class Work:
    """Processor time of some processes so far.

    Args:
        ran_s: On a processor, in seconds.
        waited_s: Ready, and without a processor: other work had it, in seconds. (A used-up quota is not in it.)
    """

    ran_s: float
    waited_s: float


def work(pids: Iterable[int], proc: Path = PROC) -> Work:
    """Add up the scheduler's nanoseconds of all threads of these processes; who has ended counts nothing."""
    ran = waited = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in os.scandir(proc / str(pid) / "task"):
                with contextlib.suppress(OSError):
                    words = (proc / str(pid) / "task" / thread.name / "schedstat").read_text().split()
                    ran, waited = ran + int(words[0]), waited + int(words[1])
    return Work(ran / 1e9, waited / 1e9)


def quota(pid: int, proc: Path = PROC, mounted: Path = _CGROUPS) -> float | None:
    """Return the processor seconds per second that the tightest control group around a process allows; None: no limit.

    Raises:
        OSError: There is no such process.
    """
    limits = []
    for line in (proc / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        roots = [mounted] if not controllers else [mounted / controllers, mounted / "cpu"]
        if controllers and "cpu" not in controllers.split(","):
            continue
        for root in roots:
            folder = root / path.lstrip("/")
            while folder != root.parent:
                limits += _limit(folder)
                folder = folder.parent
    return min(limits, default=None)


def _limit(folder: Path) -> list[float]:
    with contextlib.suppress(OSError, ValueError):
        if (folder / "cpu.max").exists():
            allowed, period = (folder / "cpu.max").read_text().split()
            return [int(allowed) / int(period)]  # "max" is no number
        allowed = (folder / "cpu.cfs_quota_us").read_text()
        return [int(allowed) / int((folder / "cpu.cfs_period_us").read_text())] if int(allowed) > 0 else []
    return []


def send_floor(clock: Callable[[], float] = time.thread_time) -> float:
    """Return the processor time of one small `send` on a loopback TCP connection here, in seconds; the reader's not.

    No server in any language delivers a message to one reader for less, unless it joins several in one write.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = socket.create_connection(listener.getsockname())
        writer, _ = listener.accept()
    with reader, writer:
        writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        message, spent = b"x" * _BYTES, 0.0
        for _ in range(_SENDS // _DRAIN_EACH):
            began = clock()
            for _ in range(_DRAIN_EACH):
                writer.send(message)
            spent += clock() - began
            left = _BYTES * _DRAIN_EACH
            while left:
                left -= len(reader.recv(left))
    return spent / _SENDS
