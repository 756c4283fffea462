"""Whether clients are still there, as evidence: from the kernel, from the gateway, and from outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.host.namespaces import inside, socket_inodes
from plumbline.host.tcp import ESTABLISHED, KEEPALIVE, LISTEN, RETRANSMIT, TcpSocket, sockets
from plumbline.streaming.probes.reached import asked, pid_of

WORST = 50  # connections that evidence names one by one
IN_VAIN = 3  # RFC 1122, 4.2.3.5: R1, after which TCP is to take the way to the peer for broken


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection whose peer answers nothing."""

    connection: str = measured("", "own port and the peer's address", secrecy="internal")
    unheard_s: float = measured("s", "time since its kernel last acknowledged anything")
    retransmits: int = measured("{segment}", "how often the same data was sent to it in vain")


@dataclass(frozen=True, slots=True)
class Peers:
    """The clients of a server, and whether it would notice that one is gone."""

    connections: int = measured("{connection}", "established connections that came in")
    unreachable: int = measured(
        "{connection}", "those of them to which the same data was sent 3 times in vain or more often"
    )
    longest_unheard_s: float = measured("s", "of these, the longest time since anything was acknowledged")
    longest_silent_s: float = measured("s", "longest time since any client last sent data, pongs included")
    keepalive: int = measured("{connection}", "connections on which TCP keepalive runs now")
    worst: tuple[Peer, ...] = measured("", "the unreachable ones, longest unheard first, at most 50")
    heartbeat_interval_s: float | None = measured(
        "s", "time between two pings to a client; 0: none are sent; None: unknown", default=None
    )
    heartbeat_timeout_s: float | None = measured("s", "time a pinged client has to answer; None: unknown", default=None)
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class UnansweredPings:
    """What a server does with a client that is there and answers no ping."""

    first_ping_s: float | None = measured("s", "when its first ping arrived; None: none while watched")
    closed_after_s: float | None = measured("s", "when it ended the connection, from the first ping on; None: not")
    close_code: int | None = measured("", "its close code; 1006: no close frame; None: it did not close")
    watched_s: float = measured("s", "how long it was watched")
    sources: ClassVar[tuple[Source, ...]] = ()


def peers_with_admin(endpoint: Endpoint) -> Peers:
    """Read the kernel's view of the server's clients, and the gateway's heartbeat settings.

    Raises:
        UnavailableError: Not on Linux, no such process, or the admin socket does not answer.
    """
    settings = asked(endpoint, "settings")
    return peers_of(endpoint, settings.get("heartbeat_interval_s"), settings.get("heartbeat_timeout_s"))


def peers_from_pid(endpoint: Endpoint) -> Peers:
    """Read the kernel's view of any server's clients; its heartbeat settings are its own secret.

    Raises:
        UnavailableError: Not on Linux, or no such process, or it belongs to another user.
    """
    return peers_of(endpoint, None, None)


def peers_of(endpoint: Endpoint, interval_s: float | None, timeout_s: float | None) -> Peers:
    """Read the sockets of the endpoint's process, in its network namespace."""
    pid = pid_of(endpoint)
    inodes = socket_inodes(pid)
    rows = inside(pid, lambda: sockets((ESTABLISHED, LISTEN), info=True))
    return judged(rows, inodes, interval_s, timeout_s)


def judged(rows: Iterable[TcpSocket], inodes: set[int], interval_s: float | None, timeout_s: float | None) -> Peers:
    """Sort out the clients of a process.

    Args:
        rows: Sockets of its network namespace.
        inodes: Those that are its own.
        interval_s: Its heartbeat interval, in seconds; None: unknown.
        timeout_s: Its heartbeat time-out, in seconds; None: unknown.
    """
    mine = [row for row in rows if row.inode in inodes]
    ports = {row.local_port for row in mine if row.state == LISTEN}
    clients = [row for row in mine if row.state == ESTABLISHED and (not ports or row.local_port in ports)]
    lost = [
        Peer(f"{row.local_port}-{row.remote}:{row.remote_port}", row.info.since_heard_s, row.retransmits)
        for row in clients
        if row.info is not None and row.timer == RETRANSMIT and row.retransmits >= IN_VAIN
    ]
    lost.sort(key=lambda one: -one.unheard_s)
    return Peers(
        connections=len(clients),
        unreachable=len(lost),
        longest_unheard_s=lost[0].unheard_s if lost else 0.0,
        longest_silent_s=max((row.info.since_data_heard_s for row in clients if row.info is not None), default=0.0),
        keepalive=sum(row.timer == KEEPALIVE for row in clients),
        worst=tuple(lost[:WORST]),
        heartbeat_interval_s=interval_s,
        heartbeat_timeout_s=timeout_s,
    )


def unanswered_from_url(endpoint: Endpoint) -> UnansweredPings:
    """Open a connection that says nothing, and answers no ping either.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target ws://host:port/")
    from plumbline.streaming.probes.mute import watch_mute

    return UnansweredPings(**watch_mute(endpoint))


Peers.sources = (
    Source(
        frozenset({"pid", "admin"}),
        "inet_diag and /proc/{pid}/fd, in the network namespace of {pid}; settings over the admin socket {admin}",
        peers_with_admin,
    ),
    Source(frozenset({"pid"}), "inet_diag and /proc/{pid}/fd, in the network namespace of {pid}", peers_from_pid),
)
UnansweredPings.sources = (
    Source(
        frozenset({"url"}),
        "one connection to {url} that answers no ping, watched up to {patience_s} s",
        unanswered_from_url,
        window_s=3.0,
    ),
)
