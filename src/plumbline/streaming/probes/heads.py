"""Looks at outbound queues again and again: what waits behind a large message, and whether it moves."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from plumbline.streaming.probes.sockets import Socket

PERIOD_S = 0.1
MUCH = 64 << 10  # bytes in the kernel that are worth timing
_ESTABLISHED = 1 << 1  # as in stalls.py
_WITH_INFO = 1 << 1
_IPV4_DIGITS = 8


@dataclass(slots=True)
class Head:
    """One connection over a window.

    Args:
        queued_bytes: Most bytes that waited.
        largest_bytes: Largest frame that waited, or what was left of it.
        behind_messages: Most messages behind it that are much smaller.
        behind_s: Longest that one of those had waited.
        channels: Most channels that had messages waiting.
        seen: What was half written, and what the kernel held, at each look: it changes while bytes leave.
        kernel: Most bytes that the kernel held.
        left: Bytes that left the kernel between two looks, all together.
        busy_s: Time in which it held much, in seconds.
    """

    queued_bytes: int = 0
    largest_bytes: int = 0
    behind_messages: int = 0
    behind_s: float = 0.0
    channels: int = 0
    seen: set[tuple[int, int]] = field(default_factory=set)
    kernel: int = 0
    left: int = 0
    busy_s: float = 0.0
    _last: tuple[float, int] | None = None

    def add(self, row: dict[str, Any], now: float) -> None:
        """Add one look: a row of the admin socket's `queues`, and when it was read, in seconds."""
        unsent = row["kernel_unsent_bytes"] or 0
        self.kernel = max(self.kernel, unsent)
        if self._last is not None and self._last[1] >= MUCH:
            self.left += max(0, self._last[1] - unsent)
            self.busy_s += now - self._last[0]
        self._last = (now, unsent)
        self.queued_bytes = max(self.queued_bytes, row["queued_bytes"])
        self.largest_bytes = max(self.largest_bytes, row["largest_bytes"])
        self.behind_messages = max(self.behind_messages, row["behind_messages"])
        self.behind_s = max(self.behind_s, row["behind_s"] or 0.0)
        self.channels = max(self.channels, row["channels"])
        if row["queued_bytes"]:
            self.seen.add((row["in_flight_bytes"], row["kernel_unsent_bytes"] or 0))

    @property
    def moving(self) -> bool:
        """Bytes left between two looks."""
        return len(self.seen) > 1 or self.left > 0

    @property
    def drain_s(self) -> float | None:
        """Time that the most the kernel held takes to leave, at the rate seen, in seconds; None: it holds little."""
        return self.kernel * self.busy_s / self.left if self.left else None


def watch(
    look: Callable[[], Iterable[dict[str, Any]]],
    window_s: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Head]:
    """Look ten times a second, and return what was seen of each connection.

    Args:
        look: Returns the rows of `queues`.
        window_s: How long.
        clock: Returns seconds.
        pause: Sleeps.
    """
    found: dict[str, Head] = {}
    until = clock() + window_s
    while True:
        rows, now = look(), clock()
        for row in rows:
            found.setdefault(row["connection"], Head()).add(row, now)
        if now >= until:
            return found
        pause(PERIOD_S)


def acknowledged(rows: Iterable[Socket]) -> dict[int, int]:
    """Return, by inode, how many bytes the peers of these sockets have acknowledged so far; one request for each."""
    from pyroute2 import DiagSocket

    found: dict[int, int] = {}
    with DiagSocket() as diag:
        diag.bind()
        for row in rows:
            address, _, port = row.local.rpartition(":")
            for answer in diag.get_sock_stats(
                family=socket.AF_INET if len(address) == _IPV4_DIGITS else socket.AF_INET6,
                states=_ESTABLISHED,
                extensions=_WITH_INFO,
                sport=int(port, 16),
                dport=int(row.remote.rpartition(":")[2], 16),
            ):
                info = answer.get_attr("INET_DIAG_INFO")
                if answer["idiag_inode"] == row.inode and info:
                    found[row.inode] = info["tcpi_bytes_acked"]
    return found
