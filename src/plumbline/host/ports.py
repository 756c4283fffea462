"""Ephemeral ports: how many of them the outgoing connections of one source address to one destination take.

A connection is (source, port, destination, port): only the source's port is free to choose, from
`net.ipv4.ip_local_port_range`. When all of them are taken towards one destination, connect() fails with
EADDRNOTAVAIL, and the kernel counts that nowhere. A connection in TIME_WAIT still takes its port.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Source, measured
from plumbline.host.namespaces import ways
from plumbline.host.tcp import ESTABLISHED, LISTEN, TIME_WAIT, TcpSocket, sockets

FULLEST = 20  # destinations that evidence names one by one
_SYSCTL = Path("/proc/sys/net/ipv4")


@dataclass(frozen=True, slots=True)
class PortUse:
    """The outgoing connections of one source address to one destination."""

    source: str = measured("", "the source address", secrecy="internal")
    destination: str = measured("", "the destination: address and port", secrecy="internal")
    established: int = measured("{connection}", "connections that are open")
    time_wait: int = measured("{connection}", "closed ones whose port is still taken, for 60 s on Linux")
    other: int = measured("{connection}", "connections that are being opened or closed")
    in_range: int = measured("{port}", "ports of the system's range that they take")
    lowest: int = measured("", "the lowest local port")
    highest: int = measured("", "the highest local port")
    distinct: int = measured("{port}", "different local ports, of the range or not")


@dataclass(frozen=True, slots=True)
class EphemeralPorts:
    """What is left to choose from for the next outgoing connection, in one network namespace."""

    first_port: int = measured("", "begin of net.ipv4.ip_local_port_range")
    last_port: int = measured("", "its end, inclusive")
    reserved: int = measured("{port}", "ports of the range that net.ipv4.ip_local_reserved_ports takes out")
    destinations: tuple[PortUse, ...] = measured("", "source and destination pairs, the fullest first, at most 20")
    fullest_source: int = measured(
        "{port}", "ports of the range that one source address takes towards all destinations together, at most"
    )
    fullest_source_shared: int = measured(
        "{port}",
        "those of them that serve several destinations at once: none if the program binds too early",
        default=0,
    )
    sources: ClassVar[tuple[Source, ...]] = ()

    @property
    def usable(self) -> int:
        """How many ports the kernel may choose from."""
        return max(self.last_port - self.first_port + 1 - self.reserved, 0)


def of_namespace() -> EphemeralPorts:
    """Read the network namespace of this thread."""
    first, last = map(int, (_SYSCTL / "ip_local_port_range").read_text().split())
    reserved = parsed_ports((_SYSCTL / "ip_local_reserved_ports").read_text())
    return counted(sockets(), range(first, last + 1), reserved)


def parsed_ports(text: str) -> frozenset[int]:
    """Read a list like `8080,9000-9009`."""
    found: set[int] = set()
    for piece in text.replace(",", " ").split():
        low, _, high = piece.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return frozenset(found)


def counted(rows: Iterable[TcpSocket], span: range, reserved: frozenset[int]) -> EphemeralPorts:
    """Count the outgoing sockets: those whose local port nobody listens on.

    Args:
        rows: All sockets of a network namespace.
        span: The system's range of ports.
        reserved: Ports that the kernel does not choose.
    """
    rows = list(rows)
    listening = {row.local_port for row in rows if row.state == LISTEN}
    outgoing = [row for row in rows if row.state != LISTEN and row.remote_port and row.local_port not in listening]
    outgoing.sort(key=_pair)
    usable = frozenset(span) - reserved
    pairs = [_use(list(group), usable) for _, group in groupby(outgoing, key=_pair)]
    fullest = _fullest_source(row for row in outgoing if row.local_port in usable)
    return EphemeralPorts(
        first_port=span.start,
        last_port=span.stop - 1,
        reserved=len(reserved & frozenset(span)),
        destinations=tuple(sorted(pairs, key=lambda one: (-one.in_range, -one.distinct))[:FULLEST]),
        fullest_source=len(fullest),
        fullest_source_shared=sum(uses > 1 for uses in fullest.values()),
    )


def _fullest_source(rows: Iterable[TcpSocket]) -> Counter[int]:
    """Return the ports of the source that takes most, each with the number of destinations that it serves."""
    taken: dict[str, Counter[int]] = {}
    for row in rows:
        taken.setdefault(row.local, Counter())[row.local_port] += 1
    return max(taken.values(), key=len, default=Counter())


def _pair(row: TcpSocket) -> tuple[str, str, int]:
    return row.local, row.remote, row.remote_port


def _use(rows: list[TcpSocket], usable: frozenset[int]) -> PortUse:
    ports = {row.local_port for row in rows}
    states = [row.state for row in rows]
    established, time_wait = states.count(ESTABLISHED), states.count(TIME_WAIT)
    return PortUse(
        source=rows[0].local,
        destination=f"{rows[0].remote}:{rows[0].remote_port}",
        established=established,
        time_wait=time_wait,
        other=len(rows) - established - time_wait,
        in_range=len(ports & usable),
        lowest=min(ports),
        highest=max(ports),
        distinct=len(ports),
    )


of_process, of_machine = ways(
    of_namespace, "ports are counted on Linux; on macOS see sysctl net.inet.ip.portrange, netstat -an"
)
EphemeralPorts.sources = (
    Source(
        frozenset({"pid"}),
        "inet_diag, ip_local_port_range, ip_local_reserved_ports, in the network namespace of {pid}",
        of_process,
    ),
    Source(frozenset(), "inet_diag, ip_local_port_range, ip_local_reserved_ports of this machine", of_machine),
)
