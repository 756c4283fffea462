"""Sockets towards the server: from several loopback addresses, without taking a port before it is known for what."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from plumbline.streaming.load import frames
from plumbline.streaming.load.errors import LoadError
from plumbline.streaming.load.link import Link
from plumbline.streaming.load.targets import Place

_BIND_ADDRESS_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)  # linux/in.h; Python names it from 3.12 on
_NAMES = {
    errno.EADDRNOTAVAIL: "ports",
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.ECONNRESET: "reset",
    errno.ENOBUFS: "memory",
    errno.ENOMEM: "memory",
}


class Door:
    """Opens connections.

    Args:
        places: The servers; connections are dealt out over them, and one whose server refuses tries the next.
        sources: Loopback addresses to connect from; empty for the kernel's choice.
        subprotocol: Of the dialect.
        token: Bearer token.
        authority: File with the certificate authority of `wss` servers; the system's if None.
    """

    def __init__(
        self,
        places: Sequence[Place],
        sources: Sequence[str],
        subprotocol: str | None,
        token: str | None = None,
        authority: str | None = None,
    ) -> None:
        self._places = places
        self._sources = sources
        self._requests = [_request(place, subprotocol, token) for place in places]
        self._tls = trust(authority) if any(place.tls for place in places) else None

    def request(self, number: int, attempts: int) -> bytes:
        """Return the opening handshake for this connection."""
        return self._requests[(number + attempts) % len(self._places)]

    async def open(self, link: Link) -> None:
        """Connect; the rest happens in the link's own methods.

        Raises:
            OSError: It could not be had; see `name`.
        """
        place = self._places[(link.role.number + link.attempts) % len(self._places)]
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            raw.setblocking(False)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._sources:
                raw.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                raw.bind((self._sources[link.role.number // len(self._places) % len(self._sources)], 0))
            await loop.sock_connect(raw, (place.address, place.port))
            tls = self._tls if place.tls else None
            await loop.create_connection(lambda: link, sock=raw, ssl=tls, server_hostname=place.host if tls else None)
        except BaseException:
            raw.close()
            raise


def trust(authority: str | None) -> ssl.SSLContext:
    """Return a context that checks certificates against this authority.

    Raises:
        LoadError: The file is none of certificates.
    """
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:  # ssl.SSLError is one
        raise LoadError(f"{authority} holds no certificates: {error.strerror or error}") from None


def name(error: OSError) -> str:
    """Return a short stable word for why a connection could not be had."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return "tls"
    return _NAMES.get(error.errno or 0, errno.errorcode.get(error.errno or 0, "other"))


def descriptors() -> int:
    """Return how many file descriptors this process has open."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if Path(folder).exists():
            return len(os.listdir(folder)) - 1  # noqa: PTH208 - 19,000 Path objects would cost more than the answer
    return 0


def _request(place: Place, subprotocol: str | None, token: str | None) -> bytes:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return frames.opening(f"{host}:{place.port}", place.path, subprotocol, token)
