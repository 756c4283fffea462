"""Where to connect next, and when: several addresses in order of preference, their failures, and the backoff. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.streaming.client.backoff import Backoff
from plumbline.streaming.client.verdict import Verdict

TOKEN_TRIES = 2  # refused tokens in a row, after which another one is no longer asked for


@dataclass(slots=True)
class _Address:
    url: str
    order: int
    not_before: float = 0.0  # the server asked for it
    avoided_until: float = 0.0  # it failed: others come first
    failed_at: float = 0.0
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """One attempt.

    Args:
        url: Where.
        wait_s: Seconds to wait before.
        ordered: The server asked for the wait: nothing may shorten it.
    """

    url: str
    wait_s: float
    ordered: bool = False


class Route:
    """Chooses among addresses.

    Args:
        urls: Addresses, the preferred one first.
        backoff: How long to wait between attempts.
        fail_back_s: Seconds for which an address that failed is avoided while another one works.
        renewable: Another token can be had when one is refused.

    Raises:
        ValueError: There is no address.
    """

    def __init__(self, urls: Sequence[str], backoff: Backoff, *, fail_back_s: float, renewable: bool) -> None:
        if not urls:
            raise ValueError("a client needs at least one address, like ws://127.0.0.1:8765/")
        self._addresses = [_Address(url, order) for order, url in enumerate(urls)]
        self._at = self._addresses[0]
        self._backoff = backoff
        self._fail_back_s = fail_back_s
        self._renewable = renewable
        self._refused_tokens = 0

    @property
    def url(self) -> str:
        """The address that is in use, or was last."""
        return self._at.url

    def jitter_s(self) -> float:
        """Return a short random delay, in seconds, for a way that nothing speaks against."""
        return self._backoff.jitter_s()

    def retry_s(self) -> float:
        """Return a random delay, in seconds, between attempts that are made beside a connection that stands."""
        return self._backoff.jitter_s() * 4

    def opened(self, url: str, now: float) -> None:
        """Note that a connection to this address stands."""
        self._at = next(address for address in self._addresses if address.url == url)
        self._at.avoided_until = self._at.not_before = 0.0
        self._backoff.opened(now)

    def accepted(self) -> None:
        """Note that the gateway has taken the token."""
        self._refused_tokens = 0

    def ended(self, verdict: Verdict, now: float) -> Next | None:
        """Return the next attempt after a connection or an attempt is over; None: never again.

        Args:
            verdict: How it ended.
            now: The clock, in seconds.
        """
        if not self._may_return(verdict):
            return None
        self._note(self._at, verdict, now)
        return self._choose(now)

    def failed_back(self, url: str, verdict: Verdict, now: float) -> None:
        """Note that an address could not be reached, while the connection to another one stands."""
        address = next(address for address in self._addresses if address.url == url)
        self._note(address, verdict, now)
        address.avoided_until = max(address.avoided_until, now + self._fail_back_s)

    def better(self, now: float) -> str | None:
        """Return an address that is preferred to the one in use and may be tried again, or None."""
        for address in self._addresses[: self._at.order]:
            if not address.dead and max(address.avoided_until, address.not_before) <= now:
                return address.url
        return None

    def better_in_s(self, now: float) -> float | None:
        """Return the seconds until a preferred address may be tried again, or None if there is none."""
        times = [max(a.avoided_until, a.not_before) - now for a in self._addresses[: self._at.order] if not a.dead]
        return max(0.0, min(times)) if times else None

    def _may_return(self, verdict: Verdict) -> bool:
        if verdict.fresh_token:
            self._refused_tokens += 1
            return self._renewable and self._refused_tokens < TOKEN_TRIES
        if not verdict.again:
            self._at.dead = True
        return not all(address.dead for address in self._addresses)

    def _note(self, address: _Address, verdict: Verdict, now: float) -> None:
        if not verdict.again:
            address.dead = True
        if verdict.at_least_s:
            address.not_before = now + verdict.at_least_s
        if verdict.blame:
            address.failed_at = now
            address.avoided_until = now + self._fail_back_s

    def _choose(self, now: float) -> Next:
        def cost(address: _Address) -> tuple[float, float, int]:
            failed = address.failed_at if address.avoided_until > now else -1.0  # the one that failed longest ago
            return max(0.0, address.not_before - now), failed, address.order

        self._at = min((address for address in self._addresses if not address.dead), key=cost)
        asked = max(0.0, self._at.not_before - now)
        return Next(self._at.url, asked + self._backoff.next_s(now), ordered=asked > 0)
