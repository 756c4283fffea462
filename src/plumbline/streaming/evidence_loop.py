"""What a server's event loop does while clients wait, as evidence: seen in its threads, and from its connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes.reached import asked, malformed, process_of

WINDOW_S = 1.5  # half of the usual patience
PROCESSES = 8


@dataclass(frozen=True, slots=True)
class EventLoop:
    """How long the worst event loop of a server was away from its events, and what it did meanwhile."""

    process: str = measured("", "the process; with several, the one that was away longest", secrecy="internal")
    watched_s: float = measured("s", "how long it was watched; 0: it said so itself")
    away_s: float | None = measured(
        "s", "longest time in which none of its threads waited for events; None: it has no event loop"
    )
    away_ratio: float | None = measured("1", "share of looks in which none did", default=None)
    doing: str = measured("", "what the loop's thread did then: computing, or the system call", default="")
    waits_for: str = measured("", "peer or file of that system call", secrecy="internal", default="")
    cpu_ratio: float | None = measured(
        "1", "processor time of the thread in that stretch over its length", default=None
    )
    starved_ratio: float | None = measured(
        "1", "time in that stretch in which it could have run but got no processor, over its length", default=None
    )
    disk: bool | None = measured(
        "1", "that system call was uninterruptible: a disk, a network file system", default=None
    )
    unread: int | None = measured(
        "{connection}", "connections whose data, or whose handshake, lay unread then", default=None
    )
    lag_s: float | None = measured("s", "the server's own figure: worst lateness of a timer lately", default=None)
    gc_s: float | None = measured("s", "garbage collection while it was watched, by its metrics", default=None)
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class PingTimes:
    """Answers to pings on several quiet connections of our own."""

    connections: int = measured("{connection}", "connections")
    pings: int = measured("{ping}", "pings that were sent")
    median_s: float = measured("s", "median time to the pong")
    worst_s: float = measured("s", "longest; one still missing counts its age")
    stall_s: float = measured("s", "longest time in which all connections waited at once")
    own_delay_s: float = measured("s", "how late the measuring program was itself")
    watched_s: float = measured("s", "how long")
    sources: ClassVar[tuple[Source, ...]] = ()


def loop_from_pid(endpoint: Endpoint) -> EventLoop:
    """Watch the threads of a server's processes for half of `patience_s`, between 1 s and 30 s.

    Raises:
        UnavailableError: Not on Linux, no such process, or it belongs to another user.
    """
    from plumbline.streaming.probes import family, pings, threads

    with process_of(
        endpoint, "another process's threads can be watched on Linux only", "run as root to see what its threads do"
    ) as pid:
        before = _collected(endpoint)
        pids = [one.pid for one in family.serving(pid)][:PROCESSES] or [pid]
        seen = threads.watch(pids, pings.window_s(endpoint))
    worst = max(seen, key=lambda one: one.longest.seconds)
    stretch, after = worst.longest, _collected(endpoint)
    has_loop = worst.evented or bool(worst.attended)
    seconds = max(stretch.seconds, 1e-3)
    return EventLoop(
        process=f"process {worst.pid}",
        watched_s=pings.window_s(endpoint),
        away_s=round(stretch.seconds, 3) if has_loop else None,
        away_ratio=round(worst.away_looks / max(1, worst.looks), 3),
        doing=stretch.doing.most_common(1)[0][0] if stretch.doing else "",
        waits_for=stretch.waits_for,
        cpu_ratio=round(min(1.0, stretch.cpu_s / seconds), 3),
        starved_ratio=round(min(1.0, stretch.starved_s / seconds), 3),
        disk=stretch.disk * 2 > stretch.doing.total() if stretch.doing else False,
        unread=stretch.unread,
        gc_s=None if before is None or after is None else round(max(0.0, after - before), 4),
    )


def loop_from_admin(endpoint: Endpoint) -> EventLoop:
    """Ask the gateway how late its timers are.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    stats = asked(endpoint, "stats")
    try:
        return EventLoop(process=f"process {stats['pid']}", watched_s=0.0, away_s=None, lag_s=stats["loop_lag_s"])
    except KeyError as error:
        raise malformed(endpoint, error) from None


def pings_from_url(endpoint: Endpoint) -> PingTimes:
    """Ping on three connections.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    from plumbline.streaming.probes.pings import measure

    return PingTimes(**measure(endpoint))


def _collected(endpoint: Endpoint) -> float | None:
    """Return the seconds of garbage collection that the server's metrics tell: Node's, Java's and the like."""
    from plumbline.streaming.probes.exposition import page

    if not endpoint.metrics:
        return None
    try:
        found = [one.value for one in page(endpoint) if "gc_" in one.name and one.name.endswith("seconds_sum")]
    except UnavailableError:
        return None
    return sum(found) if found else None


EventLoop.sources = (
    Source(
        frozenset({"pid"}),
        "threads of process {pid}, 50 times a second: system calls and schedstat in /proc, unread bytes in net/tcp",
        loop_from_pid,
        window_s=WINDOW_S,
    ),
    Source(frozenset({"admin"}), "lateness of the gateway's timers over the admin socket {admin}", loop_from_admin),
)
PingTimes.sources = (
    Source(
        frozenset({"url"}), "pings on three connections to {url}, 20 times a second", pings_from_url, window_s=WINDOW_S
    ),
)
