"""What the gateway says of itself, as plain JSON values: for the admin socket, the metrics, and programs."""

from __future__ import annotations

import heapq
import os
import resource
import socket
import struct
import sys
from typing import Any, Protocol

from plumbline.streaming.core.closes import Ledger
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.evidence import FULLEST
from plumbline.streaming.server import log
from plumbline.streaming.server.door import Door
from plumbline.streaming.server.fanout import Fanout
from plumbline.streaming.server.requests import Requests
from plumbline.streaming.server.tls import Handshakes
from plumbline.streaming.server.watch import Watch
from plumbline.streaming.server.writing import Writing

if sys.platform == "linux":
    import fcntl
    import termios


class Owner(Protocol):
    """What the report needs of the gateway."""

    settings: Settings
    counters: Counters
    connections: dict[int, Writing]
    fanout: Fanout
    requests: Requests
    ledger: Ledger
    watch: Watch
    door: Door
    resident: Resident
    started_at: float

    def now(self) -> float:
        """Return the clock in seconds."""

    def listener(self) -> socket.socket | None:
        """Return the listening socket."""

    def waiting(self) -> int:
        """Return how many accepted sockets have not completed a request."""


class Resident:
    """Resident memory of this process. The file stays open: it must be readable when there are no descriptors left."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC) if sys.platform == "linux" else -1

    def read(self) -> int:
        """Return bytes; outside of Linux the highest they ever were."""
        if self._fd >= 0:
            return int(os.pread(self._fd, 256, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def kernel_unsent(connection: Writing) -> int | None:
    """Return the bytes that the kernel holds for this client and that it has not acknowledged; None if unknown."""
    if sys.platform != "linux" or connection.fd < 0:
        return None
    return int(struct.unpack("i", fcntl.ioctl(connection.fd, termios.TIOCOUTQ, b"\0\0\0\0"))[0])


def accept_queue(listener: socket.socket | None) -> tuple[int | None, int | None]:
    """Return how many connections wait to be accepted, and how many may; None where the kernel does not say."""
    if listener is None or listener.fileno() < 0 or sys.platform != "linux":
        return None, None
    # Of a listening socket tcpi_unacked and tcpi_sacked are these two (net/ipv4/tcp.c, tcp_get_info).
    waiting, most = struct.unpack_from("II", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)
    return waiting, most


def _tls(handshakes: Handshakes) -> dict[str, Any]:
    return {
        "tls_handshakes": dict(handshakes.done),
        "tls_failures": dict(handshakes.failed),
        "tls_busy_s": round(handshakes.busy_s, 6),
        "tls_handshake_s": dict(handshakes.duration.cumulative()),
        "tls_handshake_sum_s": round(handshakes.duration.total, 6),
    }


def queues(owner: Owner) -> dict[str, Any]:
    """Return what waits for whom, in the form of the evidence record `OutboundQueues`."""
    sizes = [(item.outbox.waiting_bytes, kernel_unsent(item), item) for item in owner.connections.values()]
    fullest = heapq.nlargest(FULLEST, sizes, key=lambda row: (row[0] + (row[1] or 0), -row[2].number))
    return {
        "connections": len(sizes),
        "queued_bytes": sum(size for size, _, _ in sizes),
        "limit_bytes": owner.settings.queue_max_bytes,
        "limit_messages": owner.settings.queue_max_messages,
        "overflow": str(owner.settings.overflow),
        "resident_bytes": owner.resident.read(),
        "held_publishers": len(owner.requests.held),
        "queues": [_queue(size, kernel, item, owner.now()) for size, kernel, item in fullest],
    }


def _queue(size: int, kernel: int | None, connection: Writing, now: float) -> dict[str, Any]:
    outbox = connection.outbox
    oldest = outbox.oldest_at()
    behind = outbox.behind()
    return {
        "connection": str(connection),
        "queued_bytes": size,
        "queued_messages": len(outbox) + bool(outbox.in_flight),
        "oldest_s": None if oldest is None else round(max(0.0, now - oldest), 3),
        "kernel_unsent_bytes": kernel,
        "dropped": outbox.dropped,
        "in_flight_bytes": connection.link.held,
        "largest_bytes": behind.largest,
        "behind_messages": behind.messages,
        "behind_s": None if behind.since is None else round(max(0.0, now - behind.since), 3),
        "channels": behind.channels,
    }


def closes(owner: Owner) -> dict[str, Any]:
    """Return the last closes, in the form of the evidence record `Closes`."""
    return {
        "heartbeat_interval_s": owner.settings.heartbeat_interval_s,
        "connections": len(owner.connections),
        "recent": owner.ledger.recent(owner.now()),
    }


def stats(owner: Owner) -> dict[str, Any]:
    """Return all counters and gauges."""
    return {
        "pid": os.getpid(),
        "uptime_s": round(owner.now() - owner.started_at, 3),
        **_held(owner),
        **_arrivals(owner),
        **_counted(owner.counters),
        **_waiting(owner),
        **_tls(owner.door.handshakes),
        "closes": dict(owner.ledger.counts),
        "resident_bytes": owner.resident.read(),
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "log_lines_dropped": log.dropped(),
        "loop_lag_s": round(owner.watch.lag.worst_s, 4),
    }


def _held(owner: Owner) -> dict[str, Any]:
    """Return what the gateway holds now."""
    fanout = owner.fanout
    return {
        "connections": len(owner.connections),
        "channels": len(fanout.streams),
        "subscriptions": len(fanout.subscriptions),
        "members": len(fanout.presence),
        "history_bytes": getattr(fanout.broker, "history_bytes", None),
        "requests_pending": owner.requests.pending(),
        "held_publishers": len(owner.requests.held),
    }


def _arrivals(owner: Owner) -> dict[str, Any]:
    counters = owner.counters
    waiting, most = accept_queue(owner.listener())
    return {
        "handshakes_waiting": owner.waiting(),
        "accepted": counters.accepted,
        "accept_failures": dict(counters.accept_failures),
        "accept_queue": waiting,
        "accept_backlog": most,
        "handshake_timeouts": counters.handshake_timeouts,
        "rejected": dict(counters.rejected),
        "limited": dict(counters.limited),
        "tokens": dict(counters.tokens),
    }


def _counted(counters: Counters) -> dict[str, Any]:
    """Return what was done with messages and requests since the start."""
    return {
        "published": counters.published,
        "deliveries": counters.deliveries,
        "overflows": dict(counters.overflows),
        "dropped": dict(counters.dropped),
        "coalesced": counters.coalesced,
        "requests": dict(counters.requests),
        "recoveries": dict(counters.recoveries),
        "replayed": counters.replayed,
        "position_checks": counters.position_checks,
        "position_gaps": counters.position_gaps,
        "interruptions": counters.interruptions,
        "subscriptions_ended": dict(counters.ended),
        "broker_errors": dict(counters.broker_errors),
        "holds": counters.holds,
        "errors": dict(counters.errors),
        "pings": counters.pings,
    }


def _waiting(owner: Owner) -> dict[str, int]:
    """Return what waits to be sent, to all clients together."""
    # Nearly all are empty, and who samples this asks every second: 0.7 ms with 15,000 connections, not 4.3.
    outboxes = [
        outbox for item in owner.connections.values() if (outbox := item.outbox).queued_bytes or outbox.in_flight
    ]
    return {
        "queued_bytes": sum(outbox.waiting_bytes for outbox in outboxes),
        "queued_messages": sum(map(len, outboxes)),
        "fullest_queue_bytes": max((outbox.waiting_bytes for outbox in outboxes), default=0),
    }
