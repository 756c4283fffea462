"""Two tables of the kernel that short connections fill: sockets in TIME_WAIT, and tracked connections (conntrack).

They are mistaken for each other because both count connections that are over. The first refuses nobody: beyond its
limit the kernel forgets sockets sooner. The second, when full, drops every packet that would begin a new connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Source, measured
from plumbline.host.listeners import tcp_extensions
from plumbline.host.namespaces import ways
from plumbline.host.tcp import LISTEN, TIME_WAIT, TcpSocket, sockets

WINDOW_S = 1.0
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ConnectionTables:
    """How full they are in one network namespace, and what they cost in the window."""

    time_wait: int = measured("{connection}", "sockets in TIME_WAIT")
    time_wait_limit: int = measured("{connection}", "net.ipv4.tcp_max_tw_buckets")
    time_wait_overflows: int = measured("{connection}", "TcpExt TCPTimeWaitOverflow in the window: forgotten at once")
    closed_by_us: int = measured(
        "{connection}", "of those in TIME_WAIT, connections that came in: this side closed first"
    )
    tracked: int | None = measured("{connection}", "tracked connections; None: nothing is tracked here")
    tracked_limit: int | None = measured(
        "{connection}", "net.netfilter.nf_conntrack_max; None: nothing is tracked here"
    )
    dropped: int = measured("{packet}", "packets that conntrack dropped in the window because it had no room")
    evicted: int = measured("{connection}", "entries that it gave up early in the window to make room (early_drop)")
    window_s: float = measured("s", "how long they were watched")
    sources: ClassVar[tuple[Source, ...]] = ()


def watch(
    *,
    proc: Path = PROC,
    listed: Callable[[], list[TcpSocket]] = lambda: sockets((TIME_WAIT, LISTEN)),
    pause: Callable[[float], None] = time.sleep,
) -> ConnectionTables:
    """Look twice at the counters of this thread's network namespace, once at the rest.

    Args:
        proc: Where procfs is mounted.
        listed: Gives the sockets in TIME_WAIT and those that listen.
        pause: Waits so many seconds.
    """
    before = _counters(proc)
    pause(WINDOW_S)
    after = _counters(proc)
    rows = listed()
    listening = {row.local_port for row in rows if row.state == LISTEN}
    waiting = [row for row in rows if row.state == TIME_WAIT]
    return ConnectionTables(
        time_wait=len(waiting),
        time_wait_limit=int((proc / "sys/net/ipv4/tcp_max_tw_buckets").read_text()),
        time_wait_overflows=after[0] - before[0],
        closed_by_us=sum(row.local_port in listening for row in waiting),
        tracked=_number(proc / "sys/net/netfilter/nf_conntrack_count"),
        tracked_limit=_number(proc / "sys/net/netfilter/nf_conntrack_max"),
        dropped=after[1] - before[1],
        evicted=after[2] - before[2],
        window_s=WINDOW_S,
    )


def _counters(proc: Path) -> tuple[int, int, int]:
    """Return TIME_WAIT overflows, packets that conntrack dropped, and entries that it gave up early."""
    net = proc / "thread-self/net"
    overflows = tcp_extensions((net / "netstat").read_text()).get("TCPTimeWaitOverflow", 0)
    table = net / "stat/nf_conntrack"
    if not table.exists():
        return overflows, 0, 0
    names, *rows = [line.split() for line in table.read_text().splitlines()]
    totals = {name: sum(int(row[column], 16) for row in rows) for column, name in enumerate(names)}
    return overflows, totals.get("drop", 0), totals.get("early_drop", 0)


def _number(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() else None


of_process, of_machine = ways(watch, "these tables are Linux's")
ConnectionTables.sources = (
    Source(
        frozenset({"pid"}),
        "inet_diag, /proc/net/netstat, /proc/net/stat/nf_conntrack and limits, in the network namespace of {pid}",
        of_process,
        WINDOW_S,
    ),
    Source(
        frozenset(),
        "inet_diag, /proc/net/netstat, /proc/net/stat/nf_conntrack and limits of this machine",
        of_machine,
        WINDOW_S,
    ),
)
