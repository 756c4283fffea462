"""Asking other machines what time it is, without touching any clock: NTP over UDP, and the Date header of HTTP.

Each answer is an interval in which the true difference lies, never a single number: a packet takes time both ways,
and a Date header has whole seconds.
"""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

NTP_ASKED, HTTP_ASKED = 4, 5
"""Questions per clock: the quickest NTP answer counts; Date headers narrow each other down."""
TIMEOUT_S = 1.0
_BETWEEN_S = 0.23
"""Pause between two Date headers: five of them meet the change of the second at different moments."""
_STALE_S = 1.0
"""Many servers (uvicorn, fasthttp) write the header once a second, so it may be so old."""
_SINCE_1900_S = 2_208_988_800
_PACKET = struct.Struct("!BBbbII4sQQQQ")
_CLIENT, _SERVER_MODE, _UNKNOWN_LEAP = (4 << 3) | 3, 4, 3


class ClockError(Exception):
    """A clock could not be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the difference lies: their clock minus ours, in seconds.

    Args:
        low: The least it can be.
        high: The most.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The best guess."""
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        """How far the truth may be from it."""
        return (self.high - self.low) / 2


def ask(address: str, ca: str | None = None, *, pause: Callable[[float], None] = time.sleep) -> Interval:
    """Ask a clock: `ntp://host`, `http(s)://…`, or a WebSocket address, whose server answers HTTP as well.

    Args:
        address: Where.
        ca: PEM file of the authority that signed its certificate; None for the machine's own authorities.
        pause: Waits so many seconds.

    Raises:
        ClockError: It does not answer, or not with a time.
    """
    parts = urlsplit(address)
    try:
        if parts.scheme == "ntp":
            return quickest([by_ntp(parts.hostname or "", parts.port or 123) for _ in range(NTP_ASKED)])
        found: list[Interval] = []
        for number in range(HTTP_ASKED):
            if number:
                pause(_BETWEEN_S)
            found.append(by_http(address, ca))
        return narrowed(found)
    except (OSError, http.client.HTTPException) as error:
        raise ClockError(f"{type(error).__name__}: {error}") from None


def by_ntp(host: str, port: int) -> Interval:
    """Ask an NTP server once (RFC 5905, 8): the difference lies within the round trip.

    Raises:
        OSError: It does not answer within `TIMEOUT_S`.
        ClockError: What it answers is no time, or it says that it has none itself.
    """
    family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    cookie = secrets.randbits(64)  # comes back as origin: nobody else can answer, and our time stays ours
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.settimeout(TIMEOUT_S)
        channel.connect(place)
        began, sent = time.time(), time.monotonic()
        channel.send(_PACKET.pack(_CLIENT, 0, 0, 0, 0, 0, b"", 0, 0, 0, cookie))
        answer = channel.recv(1024)
        took_s = time.monotonic() - sent
    if len(answer) < _PACKET.size:
        raise ClockError("the answer is no NTP packet")
    flags, stratum, _, _, _, dispersion, _, _, origin, received, told = _PACKET.unpack(answer[: _PACKET.size])
    if flags & 7 != _SERVER_MODE or origin != cookie:
        raise ClockError("the answer is none to this question")
    if flags >> 6 == _UNKNOWN_LEAP or not 0 < stratum < 16 or not told:
        raise ClockError("the server says that it is not synchronised itself")
    blur = dispersion / 65536
    return Interval(_seconds(told) - (began + took_s) - blur, _seconds(received) - began + blur)


def _seconds(stamp: int) -> float:
    """Return an NTP time as seconds since 1970."""
    return stamp / 2**32 - _SINCE_1900_S


def by_http(url: str, ca: str | None) -> Interval:
    """Read the Date header of one answer (RFC 9110, 6.6.1); the status does not matter.

    Raises:
        OSError: It cannot be reached.
        http.client.HTTPException: It does not speak HTTP.
        ClockError: It sends no Date.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme in ("https", "wss")
    if secure:
        context = ssl.create_default_context(cafile=ca)
        channel: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=TIMEOUT_S, context=context
        )
    else:
        channel = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
    try:
        channel.connect()
        began = time.time()
        channel.request("HEAD", parts.path or "/")
        header = channel.getresponse().headers["Date"]
        ended = time.time()
    finally:
        channel.close()
    if header is None:
        raise ClockError("it sends no Date header")
    try:
        told = parsedate_to_datetime(header).timestamp()
    except ValueError:
        raise ClockError("its Date header is none") from None
    return Interval(told - ended, told + 1.0 + _STALE_S - began)


def quickest(found: list[Interval]) -> Interval:
    """Return the narrowest of several answers of one clock: the one that met least delay on its way."""
    return min(found, key=lambda one: one.half)


def narrowed(found: list[Interval]) -> Interval:
    """Return what several answers of one clock have in common; the last one, if they contradict each other."""
    low, high = max(one.low for one in found), min(one.high for one in found)
    return Interval(low, high) if low <= high else found[-1]
