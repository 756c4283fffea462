"""Whether the other sides of a server's connections are still there, as the kernel knows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured, pid_of
from plumbline.host.namespaces import inside, socket_inodes
from plumbline.host.tcp import ESTABLISHED, KEEPALIVE, LISTEN, RETRANSMIT, TcpSocket, sockets

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
    sources: ClassVar[tuple[Source, ...]] = ()


def of_process(endpoint: Endpoint) -> Peers:
    """Read the clients of `endpoint.pid`, any server, in the network namespace of that process.

    Raises:
        UnavailableError: Not on Linux, or no such process, or it belongs to another user.
    """
    pid = pid_of(endpoint)
    inodes = socket_inodes(pid)
    return judged(inside(pid, lambda: sockets((ESTABLISHED, LISTEN), info=True)), inodes)


def judged(rows: Iterable[TcpSocket], inodes: set[int]) -> Peers:
    """Sort out the clients of a process.

    Args:
        rows: Sockets of its network namespace.
        inodes: Those that are its own.
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
    )


Peers.sources = (
    Source(frozenset({"pid"}), "inet_diag and /proc/{pid}/fd, in the network namespace of {pid}", of_process),
)
