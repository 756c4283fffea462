"""How many connections a process has to each of its upstreams, over and over for a moment, from /proc."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from plumbline.streaming.probes.family import members
from plumbline.streaming.probes.sockets import ESTABLISHED, LISTEN, PROC, inodes, rows

LOOKS = 20
REST = 4.0
"""A look may take at most one part in five of the time: at 15,000 sockets one costs tens of milliseconds."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One address that a process asks, over several looks.

    Args:
        address: `10.0.0.3:5432`.
        most: Most connections to it at one look.
        usual: Median over the looks.
    """

    address: str
    most: int
    usual: float


def upstreams(
    pid: int,
    window_s: float,
    *,
    proc: Path = PROC,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Upstream]:
    """Return the upstreams of a process and its children, the busiest first.

    Args:
        pid: The process.
        window_s: How long to look, in seconds.
        proc: Where procfs is mounted.
        clock: Returns seconds that only grow.
        sleep: Waits so many seconds.

    Raises:
        FileNotFoundError: No such process.
        PermissionError: It belongs to another user.
    """
    counts: list[Counter[str]] = []
    end = clock() + window_s
    while True:
        began = clock()
        counts.append(_outgoing(pid, proc))
        now = clock()
        if now >= end:
            break
        sleep(max(window_s / LOOKS, REST * (now - began)))
    names = {name for one in counts for name in one}
    found = [Upstream(name, max(one[name] for one in counts), median(one[name] for one in counts)) for name in names]
    return sorted(found, key=lambda one: (-one.most, one.address))


def _outgoing(pid: int, proc: Path) -> Counter[str]:
    """Count established connections that did not come in on a port the process listens on, by their far end."""
    mine: set[int] = set()
    for one in members(pid, proc):
        try:
            mine |= inodes(one, proc)
        except (FileNotFoundError, ProcessLookupError):
            if one == pid:
                raise
    tables = [proc / str(pid) / "net" / name for name in ("tcp", "tcp6")]
    table = [row for path in tables if path.exists() for row in rows(path.read_text()) if row.inode in mine]
    ports = {row.port for row in table if row.state == LISTEN}
    return Counter(_address(row.remote) for row in table if row.state == ESTABLISHED and row.port not in ports)


def _address(text: str) -> str:
    """Turn the kernel's `0100007F:1F90` into `127.0.0.1:8080`; each word of 32 bits is in the machine's order."""
    digits, _, port = text.rpartition(":")
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    shown = str(mapped or address)
    return f"[{shown}]:{int(port, 16)}" if ":" in shown else f"{shown}:{int(port, 16)}"
