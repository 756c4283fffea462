"""What a streaming server shows of itself: read-only, with a unit per field. Cheap to import: no server code here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured
from plumbline.streaming.evidence_arrivals import Arrivals
from plumbline.streaming.evidence_cluster import CacheLoads, KeyLoads, ReplicatedStream, Replication, UpstreamBurst
from plumbline.streaming.evidence_fanout import FanOut
from plumbline.streaming.evidence_scaling import Scaled, ScaleEvent, ScaleEvents
from plumbline.streaming.evidence_shutdown import End, Shutdowns
from plumbline.streaming.evidence_workers import Worker, Workers
from plumbline.streaming.probes.reached import asked, malformed, process_of

__all__ = [
    "Arrivals",
    "CacheLoads",
    "Close",
    "Closes",
    "End",
    "FanOut",
    "IdleLifetime",
    "KeyLoads",
    "OutboundQueue",
    "OutboundQueues",
    "ReplicatedStream",
    "Replication",
    "ScaleEvent",
    "ScaleEvents",
    "Scaled",
    "Shutdowns",
    "UpstreamBurst",
    "Worker",
    "Workers",
]

FULLEST = 50  # queues that evidence names one by one
LOST = 1006  # RFC 6455, 7.1.5: the connection ended without a close frame
SAME_AGE_S = 0.35  # half of what lies between the two quiet connections: nearer to one age than to one moment


@dataclass(frozen=True, slots=True)
class OutboundQueue:
    """What waits to be sent to one connection."""

    connection: str = measured("", "the connection: number and peer address", secrecy="internal")
    queued_bytes: int = measured("By", "bytes that wait in the server (from a pid: in the kernel's Send-Q)")
    queued_messages: int | None = measured("{message}", "messages that wait in the server", default=None)
    oldest_s: float | None = measured(
        "s",
        "how long the oldest of them has waited (from a pid: since the kernel could last send a byte)",
        default=None,
    )
    kernel_unsent_bytes: int | None = measured(
        "By", "bytes the kernel holds that the peer has not acknowledged (Send-Q)", default=None
    )
    dropped: int | None = measured("{message}", "messages this connection lost to the overflow policy", default=None)
    in_flight_bytes: int | None = measured("By", "what is left of a half-written frame", default=None)
    largest_bytes: int | None = measured("By", "largest frame that waits, or what is left of one", default=None)
    behind_messages: int | None = measured(
        "{message}", "messages behind it that are a sixteenth of it or smaller", default=None
    )
    behind_s: float | None = measured("s", "how long the oldest of those has waited", default=None)
    channels: int | None = measured("{channel}", "channels that have messages waiting", default=None)


@dataclass(frozen=True, slots=True)
class OutboundQueues:
    """Everything that waits to be sent, and what happens when it is too much."""

    connections: int = measured("{connection}", "open connections")
    queued_bytes: int = measured("By", "bytes that wait for all connections together")
    limit_bytes: int | None = measured("By", "bytes that may wait for one connection; None: unknown")
    overflow: str = measured(
        "", "what a full queue does: disconnect, drop-oldest, latest, wait; unknown from outside of the process"
    )
    resident_bytes: int = measured("By", "resident memory of the server process")
    queues: tuple[OutboundQueue, ...] = measured("", "the fullest queues, at most 50, fullest first")
    limit_messages: int | None = measured("{message}", "messages that may wait for one connection", default=None)
    held_publishers: int | None = measured(
        "{connection}", "publishers that are not read from because a reader is slow (overflow is wait)", default=None
    )
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class Close:
    """One connection's end."""

    code: int = measured("", "WebSocket close code; 1006 if there was no close frame")
    reason: str = measured("", "the code's name, as in the metric's label")
    by: str = measured("", "who ended it: server, peer, or network (no close frame)")
    idle_s: float = measured("s", "time since the last byte in either direction")
    age_s: float = measured("s", "time since it was accepted")
    clean: bool = measured("1", "both sides sent a close frame")
    ago_s: float = measured("s", "how long ago it ended")
    peer: str = measured("", "the client's IP address; empty: unknown", secrecy="internal", default="")
    size_bytes: int | None = measured("By", "size of the message that was refused, if that ended it", default=None)


@dataclass(frozen=True, slots=True)
class Closes:
    """The last connections that ended, at most 200, newest first."""

    heartbeat_interval_s: float = measured("s", "time between two pings to a connection; 0: none are sent")
    recent: tuple[Close, ...] = measured("", "the last closes, newest first")
    connections: int = measured("{connection}", "open connections now", default=0)
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class IdleLifetime:
    """What happened to one connection that said nothing."""

    first_ping_s: float | None = measured("s", "when the first ping arrived; None: none while watched")
    closed_after_s: float | None = measured("s", "when the other side ended the connection; None: it lived")
    close_code: int | None = measured("", "its close code; 1006: cut without a close frame; None: it lived")
    watched_s: float = measured("s", "how long the connection was watched")
    second_closed_after_s: float | None = measured(
        "s", "when a second connection, opened a little later, was ended; counted from its own start", default=None
    )
    sources: ClassVar[tuple[Source, ...]] = ()

    @property
    def limit_s(self) -> float | None:
        """Silence after which both connections were cut, without a ping or a close frame; None if that was not so."""
        first, second = self.closed_after_s, self.second_closed_after_s
        if first is None or second is None or self.first_ping_s is not None or self.close_code != LOST:
            return None
        return first if abs(first - second) < SAME_AGE_S else None


def queues_from_admin(endpoint: Endpoint) -> OutboundQueues:
    """Ask the gateway for its outbound queues.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    answer = asked(endpoint, "queues")
    try:
        return OutboundQueues(**{**answer, "queues": tuple(OutboundQueue(**item) for item in answer["queues"])})
    except (TypeError, KeyError) as error:
        raise malformed(endpoint, error) from None


def queues_from_pid(endpoint: Endpoint) -> OutboundQueues:
    """Read the kernel's send queues of any server process; what the process itself holds back cannot be seen from here.

    Raises:
        UnavailableError: Not on Linux, no such process, or it belongs to another user.
    """
    from plumbline.streaming.probes import sockets, stalls

    with process_of(endpoint, "another process's send queues can be read on Linux only") as pid:
        found = sockets.connections(pid)
        resident = sockets.resident_bytes(pid)
    fullest = sorted(found, key=lambda row: row.send_queue, reverse=True)[:FULLEST]
    stalled = stalls.stalled_s(pid, (row for row in fullest if row.send_queue))
    return OutboundQueues(
        connections=len(found),
        queued_bytes=sum(row.send_queue for row in found),
        limit_bytes=None,
        overflow="unknown",
        resident_bytes=resident,
        queues=tuple(
            OutboundQueue(
                f"{row.local}-{row.remote}",
                row.send_queue,
                oldest_s=stalled.get(row.inode),
                kernel_unsent_bytes=row.send_queue,
            )
            for row in fullest
        ),
    )


def closes_from_admin(endpoint: Endpoint) -> Closes:
    """Ask the gateway for its last closes.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    answer = asked(endpoint, "closes")
    try:
        return Closes(**{**answer, "recent": tuple(Close(**item) for item in answer["recent"])})
    except (TypeError, KeyError) as error:
        raise malformed(endpoint, error) from None


def idle_from_url(endpoint: Endpoint) -> IdleLifetime:
    """Open one quiet connection and watch it for `endpoint.patience_s`.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    from plumbline.streaming.probes.idle import watch_quiet

    return IdleLifetime(**watch_quiet(endpoint))


OutboundQueues.sources = (
    Source(frozenset({"admin"}), "outbound queues over the admin socket {admin}", queues_from_admin),
    Source(
        frozenset({"pid"}),
        "send queues of process {pid}: /proc/{pid}/fd, /proc/{pid}/net/tcp, inet_diag",
        queues_from_pid,
    ),
)
Closes.sources = (Source(frozenset({"admin"}), "the last 200 closes over the admin socket {admin}", closes_from_admin),)
IdleLifetime.sources = (
    Source(
        frozenset({"url"}), "two quiet connections to {url}, watched up to {patience_s} s", idle_from_url, window_s=3.0
    ),
)
