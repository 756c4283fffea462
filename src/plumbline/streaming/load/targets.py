"""Where the load goes: loopback, unless the user names another host as their own."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from plumbline.streaming.load.errors import LoadError

SCHEMES = {"ws": 80, "wss": 443}
PORTS_PER_SOURCE = 25_000
"""Connections from one source address to one port: Linux has 28,232 ephemeral ports by default, some linger closed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A WebSocket server.

    Args:
        url: As given.
        host: Name or address.
        address: What the name resolved to, once: no look-ups during the run.
        port: TCP port.
        path: Path and query.
        tls: It speaks TLS.
        loopback: It is on this machine.
    """

    url: str
    host: str
    address: str
    port: int
    path: str
    tls: bool
    loopback: bool


def place(url: str, own: Sequence[str] = ()) -> Place:
    """Read a URL and refuse what is not to be loaded.

    Args:
        url: `ws://host:port/path` or `wss://…`.
        own: Hosts that the user says are theirs.

    Raises:
        LoadError: It is no WebSocket URL, its host is unknown, or the host is neither loopback nor named in `own`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or SCHEMES.get(parts.scheme, 0)
    except ValueError as error:
        raise LoadError(f"{url!r} is no URL: {error}") from None
    if parts.scheme not in SCHEMES or not host:
        raise LoadError(f"{url!r} is no WebSocket URL; write ws://127.0.0.1:8765/ or wss://…")
    try:
        address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise LoadError(f"the host of {url} cannot be resolved: {error.strerror or error}") from None
    loopback = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    if not loopback and host not in own:
        raise LoadError(
            f"{host} is not this machine; load goes to loopback only, unless you say that the host is yours: "
            f"--own {host}"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(url, host, address, port, path, parts.scheme == "wss", loopback)


def sources(places: Sequence[Place], connections: int) -> tuple[str, ...]:
    """Return the loopback addresses to connect from, enough that none runs out of ports; empty: the kernel's choice.

    Only on Linux is all of 127.0.0.0/8 the machine itself without being configured.
    """
    if sys.platform != "linux" or not all(one.loopback and ":" not in one.address for one in places):
        return ()
    each = -(-connections // len(places))
    return tuple(f"127.0.0.{2 + index}" for index in range(max(4, -(-each // PORTS_PER_SOURCE) + 1)))
