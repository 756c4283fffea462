"""What waits behind a large message on its own connection, as evidence."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

from plumbline.evidence import Endpoint, Source, measured
from plumbline.streaming.probes.reached import asked, malformed, process_of

WINDOW_S = 1.5
FULLEST = 50
LEAST_QUEUED = 4096  # bytes of a send queue that are worth a second look


@dataclass(frozen=True, slots=True)
class HeadOfLine:
    """One connection on which messages wait."""

    connection: str = measured("", "the connection", secrecy="internal")
    queued_bytes: int = measured("By", "most bytes that waited")
    moving: bool = measured("1", "bytes left meanwhile: the reader reads, but slower than it is sent to")
    largest_bytes: int | None = measured("By", "largest message that waited, or what was left of it", default=None)
    behind_messages: int | None = measured(
        "{message}", "most messages that waited behind it and are a sixteenth of it or smaller", default=None
    )
    behind_s: float | None = measured("s", "longest that one of those had waited", default=None)
    channels: int | None = measured("{channel}", "most channels that had messages waiting", default=None)
    drain_s: float | None = measured(
        "s", "time in which the kernel's send queue empties at the rate seen; a new message waits so long", default=None
    )


@dataclass(frozen=True, slots=True)
class QueueHeads:
    """What waits behind what, on each connection that has a queue."""

    heads: tuple[HeadOfLine, ...] = measured("", "the connections whose messages waited longest, at most 50")
    connections: int = measured("{connection}", "open connections")
    watched_s: float = measured("s", "how long they were watched")
    sources: ClassVar[tuple[Source, ...]] = ()


def heads_from_admin(endpoint: Endpoint) -> QueueHeads:
    """Ask the gateway for its queues ten times a second.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    from plumbline.streaming.probes.heads import watch

    connections = 0

    def look() -> list[dict[str, Any]]:
        nonlocal connections
        answer = asked(endpoint, "queues")
        connections = answer["connections"]
        return list(answer["queues"])

    try:
        found = watch(look, WINDOW_S)
    except (TypeError, KeyError) as error:
        raise malformed(endpoint, error) from None
    heads = [
        HeadOfLine(
            name,
            max(one.queued_bytes, one.kernel),
            one.moving,
            one.largest_bytes,
            one.behind_messages,
            one.behind_s,
            one.channels,
            one.drain_s,
        )
        for name, one in found.items()
        if one.queued_bytes or one.left
    ]
    heads.sort(key=lambda one: max(one.behind_s or 0.0, one.drain_s or 0.0), reverse=True)
    return QueueHeads(tuple(heads[:FULLEST]), connections, WINDOW_S)


def heads_from_pid(endpoint: Endpoint) -> QueueHeads:
    """Ask the kernel twice how much each connection's peer has acknowledged: how long does its send queue last?

    Raises:
        UnavailableError: Not on Linux, no such process, or it belongs to another user.
    """
    from plumbline.streaming.probes import heads, sockets

    with process_of(endpoint, "another process's send queues can be read on Linux only") as pid:
        rows = sockets.connections(pid)
        full = sorted(rows, key=lambda row: row.send_queue, reverse=True)[:FULLEST]
        full = [row for row in full if row.send_queue >= LEAST_QUEUED]
        before = heads.acknowledged(full)
        time.sleep(WINDOW_S)
        after = heads.acknowledged(full)
    found = []
    for row in full:
        left = after.get(row.inode, 0) - before.get(row.inode, 0)
        found.append(
            HeadOfLine(
                f"{row.local}-{row.remote}",
                row.send_queue,
                moving=left > 0,
                drain_s=round(row.send_queue * WINDOW_S / left, 3) if left > 0 else None,
            )
        )
    return QueueHeads(tuple(found), len(rows), WINDOW_S)


QueueHeads.sources = (
    Source(
        frozenset({"admin"}),
        "outbound queues over the admin socket {admin}, ten times a second",
        heads_from_admin,
        window_s=WINDOW_S,
    ),
    Source(
        frozenset({"pid"}),
        "send queues of process {pid} and what their peers acknowledge: /proc/{pid}/net/tcp, inet_diag, twice",
        heads_from_pid,
        window_s=WINDOW_S,
    ),
)
