"""New TCP connections over time, from the kernel's counters of one network namespace: any server, in any language."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plumbline.streaming.probes.sockets import PROC, connections

BIN_S = 0.1
BINS = 30


@dataclass(frozen=True, slots=True)
class Opens:
    """What arrived while somebody watched.

    Args:
        counts: Connections that completed their handshake, per bin.
        bin_s: Mean length of a bin, in seconds.
        resets: Connections that were reset.
        failed: Attempts that failed half-way.
    """

    counts: tuple[int, ...]
    bin_s: float
    resets: int
    failed: int


def watch(
    pid: int,
    proc: Path = PROC,
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Opens:
    """Count new connections in the network namespace of a process, for three seconds.

    Raises:
        OSError: There is no such process, or it may not be looked at.
    """
    path = proc / str(pid) / "net" / "snmp"
    began, first = clock(), counters(path.read_text())
    before, counts = first, []
    for number in range(1, BINS + 1):
        pause(max(0.0, began + number * BIN_S - clock()))
        now = counters(path.read_text())
        counts.append(now["PassiveOpens"] - before["PassiveOpens"])
        before = now
    resets, failed = before["EstabResets"] - first["EstabResets"], before["AttemptFails"] - first["AttemptFails"]
    return Opens(tuple(counts), (clock() - began) / BINS, resets, failed)


def counters(text: str) -> dict[str, int]:
    """Return the `Tcp:` counters of /proc/net/snmp (RFC 4022)."""
    names, values = (line.split()[1:] for line in text.splitlines() if line.startswith("Tcp:"))
    return {name: int(value) for name, value in zip(names, values, strict=True)}


def peers(pid: int, proc: Path = PROC) -> Counter[str]:
    """Return how many established connections of a process came from each address (as the kernel writes it).

    Raises:
        OSError: There is no such process, or it may not be looked at.
    """
    return Counter(row.remote.rpartition(":")[0] for row in connections(pid, proc))
