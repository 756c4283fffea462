"""Who may come in now: connections in all and per address, and how many new ones each second. No I/O."""

from __future__ import annotations

import math
from collections import Counter

from plumbline.streaming.core.rates import Rate
from plumbline.streaming.core.request import RefusedError
from plumbline.streaming.core.settings import Settings

LONGEST_RETRY_S = 300.0


class Admission:
    """Counts who is inside and who knocks."""

    def __init__(self) -> None:
        self.knocking: Counter[str] = Counter()  # sockets whose request is not complete, by address
        self.inside: Counter[str] = Counter()  # connections, by address
        self._full_at = 0.0
        self._slot = 0.0  # when the last client that was sent away may come back

    def knock(self, host: str) -> None:
        """Note a new socket."""
        self.knocking[host] += 1

    def answered(self, host: str) -> None:
        """Note that its request is answered, or that it is gone."""
        _less(self.knocking, host)

    def enter(self, host: str) -> None:
        """Note a new connection."""
        self.inside[host] += 1

    def leave(self, host: str) -> None:
        """Note that one is gone."""
        _less(self.inside, host)

    def too_many_knocks(self, settings: Settings, host: str) -> bool:
        """Say whether this address has all the handshakes under way that it may have."""
        limit = settings.max_handshakes_per_address
        return bool(limit) and self.knocking[host] >= limit

    def check(
        self, settings: Settings, host: str, connections: int, now: float, spread: float, *, rate: bool = True
    ) -> None:
        """Let one more client in.

        Args:
            settings: The limits.
            host: Its address.
            connections: How many there are in all.
            now: The clock, in seconds.
            spread: 0 to 1, at random: clients that are sent away together must not come back together.
            rate: `accept_rate` was not asked yet.

        Raises:
            RefusedError: It has to come back later.
        """
        if connections >= settings.max_connections:
            sentence = f"all {settings.max_connections} connections are in use; try later"
            raise _later("max-connections", sentence, 1 + 4 * spread)
        limit = settings.max_connections_per_address
        if limit and self.inside[host] >= limit:
            raise _later("max-connections-per-address", f"this address has {limit} connections", 1 + 9 * spread)
        wait_s = self.over_rate(settings, now) if rate else 0.0
        if wait_s:
            raise _later("accept-rate", "too many clients come at once; try later", wait_s + spread)

    def over_rate(self, settings: Settings, now: float) -> float:
        """Take one of `accept_rate`; if none is there, return the seconds after which this client may come back.

        Each one that is sent away gets the next place in a line that moves at that rate: 15,000 at 1,000 each second
        come back over 15 seconds, in whatever order, and find room.
        """
        rate = Rate(settings.accept_rate, settings.accept_burst)
        self._full_at, wait_s = rate.take(self._full_at, now)
        if not wait_s:
            return 0.0
        self._slot = max(self._slot, now + wait_s) + 1 / rate.per_s
        return min(LONGEST_RETRY_S, self._slot - now)


def _later(reason: str, sentence: str, after_s: float) -> RefusedError:
    return RefusedError(503, sentence, reason, {"Retry-After": str(math.ceil(after_s))})


def _less(counts: Counter[str], host: str) -> None:
    counts[host] -= 1
    if counts[host] <= 0:
        del counts[host]
