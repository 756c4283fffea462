"""Evidence of clocks that disagree: this machine's, those of the machines it works with, and its token's."""

from __future__ import annotations

import base64
import ctypes
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.host.clocks import ClockError, ask

WATCH_S = 1.2
_MOST = 8
"""Clocks that are asked at once."""
_TIME_ERROR = 5
"""What adjtimex() returns while nothing disciplines the clock."""
_MAX_ERROR = 3
"""Place of `maxerror` among the words of `struct timex`, in microseconds."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock that was asked."""

    address: str = measured("", "Where it was asked", secrecy="internal")
    protocol: str = measured("", "ntp, or http (the Date header)")
    offset_s: float | None = measured("s", "Their clock minus ours, the middle of what is possible; None: no answer")
    uncertainty_s: float = measured("s", "How far the truth may be from that, to either side")
    error: str = measured("", "Why there is no answer", secrecy="internal")

    def off(self, limit_s: float) -> bool:
        """Tell whether it certainly differs from ours by more than a limit."""
        return self.offset_s is not None and abs(self.offset_s) - self.uncertainty_s > limit_s


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """What other clocks say, seen from this machine. No clock is set."""

    clocks: tuple[Clock, ...] = measured("", "Each clock that was asked, the target's own server among them")
    token_ahead_s: float | None = measured(
        "s", "How far in our future the target's token becomes valid (iat, nbf); below 0: it is valid; None: no JWT"
    )
    disciplined: bool | None = measured("1", "The kernel says that something (NTP) keeps our clock; None: not told")
    max_error_s: float | None = measured("s", "How far off our clock may be by that; None: not told")
    sources: ClassVar[tuple[Source, ...]]


def read(endpoint: Endpoint) -> ClockSkew:
    """Ask all clocks of a target at once: those it names, and its own server.

    Raises:
        UnavailableError: None of them answers.
    """
    places = list(dict.fromkeys([*(endpoint.clocks or ()), *([endpoint.url] if endpoint.url else [])]))[:_MOST]
    with ThreadPoolExecutor(max_workers=max(1, len(places))) as crew:
        clocks = tuple(crew.map(lambda place: _asked(place, endpoint.ca), places))
    if all(clock.offset_s is None for clock in clocks):
        errors = "; ".join(clock.error for clock in clocks)
        raise UnavailableError("unreachable", f"no clock answered: {errors}")
    disciplined, max_error_s = kernel()
    return ClockSkew(
        clocks=clocks,
        token_ahead_s=token_ahead(endpoint.token, time.time()),
        disciplined=disciplined,
        max_error_s=max_error_s,
    )


def _asked(address: str, ca: str | None) -> Clock:
    protocol = "ntp" if urlsplit(address).scheme == "ntp" else "http"
    try:
        found = ask(address, ca)
    except ClockError as error:
        return Clock(address, protocol, None, 0.0, str(error))
    return Clock(address, protocol, found.middle, found.half, "")


def token_ahead(token: str | None, now: float) -> float | None:
    """Return how many seconds after `now` a JWT becomes valid, by its `iat` and `nbf`; None if it is no such token.

    Its signature is not looked at: this is about its clock, not about whom it lets in.
    """
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    moments = [claims[name] for name in ("iat", "nbf") if isinstance(claims, dict) and name in claims]
    numbers = [float(one) for one in moments if isinstance(one, int | float)]
    return max(numbers) - now if numbers else None


def kernel() -> tuple[bool | None, float | None]:
    """Ask the kernel whether its clock is kept by something, and how far off it may be, in seconds; reads only."""
    if sys.platform != "linux":
        return None, None
    words = (ctypes.c_long * 64)()  # struct timex is 26 words; modes = 0 changes nothing
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(words))
    if state < 0:
        return None, None
    return state != _TIME_ERROR, words[_MAX_ERROR] / 1e6


def _of_kernel(endpoint: Endpoint) -> ClockSkew:
    if endpoint.clocks or endpoint.url:
        raise UnavailableError("unreachable", f"no clock of the target {endpoint.name} answered")
    disciplined, max_error_s = kernel()
    if not disciplined:
        hint = 'name clocks in the target: clocks = ["ntp://time.example", "https://login.example/"]'
        raise UnavailableError("not_configured", f"there is nothing to compare this machine's clock with; {hint}")
    return ClockSkew((), None, disciplined, max_error_s)


ClockSkew.sources = (
    Source(
        frozenset({"clocks"}),
        "the time of {clocks} by NTP or HTTP (Date), the target's own Date header, adjtimex()",
        read,
        WATCH_S,
    ),
    Source(frozenset({"url"}), "the Date header of {url}, adjtimex()", read, WATCH_S),
    Source(frozenset(), "adjtimex() of this machine", _of_kernel),
)
