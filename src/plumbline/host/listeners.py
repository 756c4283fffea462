"""Accept queues of listening TCP sockets, and what the kernel dropped because one was full.

Netlink (inet_diag) gives the queue, its effective limit and the drops *per listener*; `ListenOverflows` in
`/proc/net/netstat` is one sum for the whole network namespace and cannot say whose queue it was.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from plumbline.evidence import Endpoint, Source, UnavailableError, linux_only, measured, pid_of
from plumbline.host.namespaces import inside, socket_inodes

WINDOW_S = 1.0
SAMPLES = 50
_LISTEN = 1 << 10  # bit of TCP_LISTEN (10) in a mask of states
_WITH_MEMORY = 1 << 6  # ask for INET_DIAG_SKMEMINFO (7): bit 7 - 1
_DROPS = 8  # index of SK_MEMINFO_DROPS in it (linux/sock_diag.h)
ELSEWHERE = "only Linux tells the accept queue of a listener; on macOS see netstat -Lan"


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening socket over the window."""

    address: str = measured("", "local address", secrecy="internal")
    port: int = measured("", "local port")
    waiting: int = measured("{connection}", "most connections seen waiting to be accepted (Recv-Q of `ss -ltn`)")
    least_waiting: int = measured("{connection}", "fewest seen waiting: a server that accepts empties its queue")
    backlog: int = measured(
        "{connection}", "effective limit: the smaller of listen()'s argument and somaxconn (Send-Q)"
    )
    dropped: int = measured("{connection}", "connection attempts this listener dropped in the window", default=0)


@dataclass(frozen=True, slots=True)
class ListenQueues:
    """Listening TCP sockets of a process, or of the whole network namespace."""

    listeners: tuple[Listener, ...] = measured("", "the listeners, the fullest first")
    window_s: float = measured("s", "how long they were watched")
    overflows: int = measured("{connection}", "TcpExt ListenOverflows in the window, all listeners of the namespace")
    drops: int = measured("{connection}", "TcpExt ListenDrops in the window, all listeners of the namespace")
    syn_queue_full: int = measured(
        "{connection}",
        "TcpExt TCPReqQFullDrop and TCPReqQFullDoCookies in the window: the *other* queue, of half-open ones",
    )
    somaxconn: int = measured("{connection}", "net.core.somaxconn: listen() is silently cut down to it")
    syn_backlog: int = measured("{connection}", "net.ipv4.tcp_max_syn_backlog: limit of half-open connections")
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One listening socket as inet_diag gives it at one moment."""

    inode: int
    address: str
    port: int
    waiting: int
    backlog: int
    drops: int


def of_process(endpoint: Endpoint) -> ListenQueues:
    """Watch the listeners of `endpoint.pid`, in the network namespace of that process.

    Raises:
        UnavailableError: No such process, not ours to look into, or it does not listen on TCP.
    """
    pid = pid_of(endpoint)
    linux_only(ELSEWHERE)
    inodes = socket_inodes(pid)
    queues = inside(pid, lambda: watch(lambda row: row.inode in inodes))
    if not queues.listeners:
        raise UnavailableError(
            "not_configured", f"process {pid} listens on no TCP port; name the pid that does (see ss -ltnp)"
        )
    return queues


def of_machine(endpoint: Endpoint) -> ListenQueues:
    """Watch the listeners of this machine: the port of `endpoint.url`, or all of them if it names none.

    Raises:
        UnavailableError: The URL belongs to another machine, or nothing listens there.
    """
    linux_only(ELSEWHERE)
    if endpoint.pid is not None and endpoint.url is None:
        raise UnavailableError(
            "not_configured", f"the target is process {endpoint.pid}: other listeners say nothing of it"
        )
    port = _local_port(endpoint.url) if endpoint.url else None
    queues = watch(lambda row: port in (None, row.port))
    if port is not None and not queues.listeners:
        raise UnavailableError("unreachable", f"nothing on this machine listens on port {port}")
    return queues


def watch(
    wanted: Callable[[Row], bool],
    *,
    window_s: float = WINDOW_S,
    pause: Callable[[float], None] = time.sleep,
    snapshot: Callable[[], list[Row]] | None = None,
    counters: Callable[[], Mapping[str, int]] | None = None,
) -> ListenQueues:
    """Sample the wanted listeners `SAMPLES` times over the window: a queue that fills in bursts is seen full.

    Args:
        wanted: Which listeners count.
        window_s: Length of the window, in seconds.
        pause: Waits so many seconds.
        snapshot: Gives the listeners now.
        counters: Gives the TcpExt counters now.
    """
    snapshot, counters = snapshot or listening, counters or tcp_extensions
    before, rows = counters(), [_only(wanted, snapshot())]
    for _ in range(SAMPLES):
        pause(window_s / SAMPLES)
        rows.append(_only(wanted, snapshot()))
    after = counters()
    delta = {name: after.get(name, 0) - before.get(name, 0) for name in after}
    return ListenQueues(
        listeners=tuple(sorted(_over_time(rows), key=lambda one: (-one.dropped, -one.waiting, one.port))),
        window_s=window_s,
        overflows=delta.get("ListenOverflows", 0),
        drops=delta.get("ListenDrops", 0),
        syn_queue_full=delta.get("TCPReqQFullDrop", 0) + delta.get("TCPReqQFullDoCookies", 0),
        somaxconn=_sysctl("core/somaxconn"),
        syn_backlog=_sysctl("ipv4/tcp_max_syn_backlog"),
    )


def listening() -> list[Row]:
    """Return every TCP listener of this thread's network namespace."""
    from pyroute2 import DiagSocket

    with DiagSocket() as diag:
        diag.bind()
        return [
            _row(message)
            for family in (socket.AF_INET, socket.AF_INET6)
            for message in diag.get_sock_stats(family=family, states=_LISTEN, extensions=_WITH_MEMORY)
        ]


def tcp_extensions(text: str | None = None) -> dict[str, int]:
    """Read the `TcpExt` pair of lines of `/proc/net/netstat` of this thread's network namespace."""
    text = Path("/proc/thread-self/net/netstat").read_text() if text is None else text
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith("TcpExt:")]
    return dict(zip(lines[0], map(int, lines[1]), strict=False)) if len(lines) == 2 else {}  # names, values


def _row(message: Any) -> Row:
    memory = message.get_attr("INET_DIAG_SKMEMINFO") or ""
    words = bytes.fromhex(memory.replace(":", ""))
    drops = int.from_bytes(words[4 * _DROPS : 4 * _DROPS + 4], sys.byteorder)
    return Row(
        inode=message["idiag_inode"],
        address=str(message["idiag_src"]),
        port=message["idiag_sport"],
        waiting=message["idiag_rqueue"],
        backlog=message["idiag_wqueue"],
        drops=drops,
    )


def _only(wanted: Callable[[Row], bool], rows: Iterable[Row]) -> dict[int, Row]:
    return {row.inode: row for row in rows if wanted(row)}


def _over_time(samples: list[dict[int, Row]]) -> list[Listener]:
    """Join the samples of each socket; one that was closed in between keeps what was seen of it."""
    series: dict[int, list[Row]] = {}
    for sample in samples:
        for inode, row in sample.items():
            series.setdefault(inode, []).append(row)
    return [
        Listener(
            address=rows[-1].address,
            port=rows[-1].port,
            waiting=max(row.waiting for row in rows),
            least_waiting=min(row.waiting for row in rows),
            backlog=rows[-1].backlog,
            dropped=rows[-1].drops - rows[0].drops,
        )
        for rows in series.values()
    ]


def _sysctl(name: str) -> int:
    return int(Path("/proc/sys/net", name).read_text())


def _local_port(url: str) -> int:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or {"https": 443, "wss": 443}.get(parts.scheme, 80)
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise UnavailableError("unreachable", f"the host of {url} cannot be resolved: {error}") from None
    if not all(_is_ours(str(address)) for address in addresses):
        raise UnavailableError(
            "not_configured", f"{host} is another machine: accept queues are read on the server itself"
        )
    return port


def _is_ours(address: str) -> bool:
    """Return True for an address of this machine: only such can be bound."""
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


ListenQueues.sources = (
    Source(
        frozenset({"pid"}),
        "inet_diag, /proc/{pid}/fd, /proc/net/netstat, in the network namespace of {pid}",
        of_process,
        WINDOW_S,
    ),
    Source(
        frozenset(), "inet_diag, /proc/net/netstat, /proc/sys/net/core/somaxconn of this machine", of_machine, WINDOW_S
    ),
)
