"""When to try again: exponential backoff with full jitter. Pure: the random source and the clock are passed in.

Full jitter (Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015) spreads the attempts of many
clients over the whole interval, so that those who were cut off together do not come back together. Two rules are ours:
no delay is ever shorter than `floor_s`, and a connection resets the count only after it has lasted for `stable_s`: a
server that accepts and at once closes is never hammered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

_DOUBLINGS = 32  # beyond it every cap is reached, and 2**n would only grow


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """Bounds of the delays between attempts, all in seconds.

    Args:
        floor_s: Shortest delay, above 0.
        base_s: Longest delay before the first new attempt; it doubles with each one that fails.
        cap_s: Longest delay at all.
        stable_s: How long a connection must have lasted for the next failure to count as a first one.

    Raises:
        ValueError: The bounds are not `0 < floor_s <= base_s <= cap_s` and `stable_s >= 0`.
    """

    floor_s: float = 0.05
    base_s: float = 0.5
    cap_s: float = 30.0
    stable_s: float = 10.0

    def __post_init__(self) -> None:
        ordered = 0 < self.floor_s <= self.base_s <= self.cap_s < math.inf
        if not ordered or not 0 <= self.stable_s < math.inf:
            raise ValueError(
                f"a backoff needs 0 < floor_s <= base_s <= cap_s and stable_s >= 0, not floor_s={self.floor_s:g} "
                f"base_s={self.base_s:g} cap_s={self.cap_s:g} stable_s={self.stable_s:g}"
            )


def delay_s(attempt: int, policy: BackoffPolicy, rng: Random) -> float:
    """Return the delay before an attempt, in seconds: uniform between `floor_s` and the doubling ceiling.

    Args:
        attempt: How many attempts failed before, from 0.
        policy: The bounds.
        rng: Where chance comes from.
    """
    ceiling = min(policy.cap_s, policy.base_s * 2.0 ** min(attempt, _DOUBLINGS))
    return rng.uniform(policy.floor_s, ceiling)


class Backoff:
    """Counts attempts that failed in a row.

    Args:
        policy: The bounds.
        rng: Where chance comes from.
    """

    def __init__(self, policy: BackoffPolicy, rng: Random) -> None:
        self.policy = policy
        self.failures = 0
        self._rng = rng
        self._opened_at: float | None = None

    def opened(self, now: float) -> None:
        """Note that a connection stands. It does not reset the count yet.

        Args:
            now: The clock, in seconds.
        """
        self._opened_at = now

    def next_s(self, now: float) -> float:
        """Note that the connection, or the attempt, is over, and return the seconds to wait before the next attempt.

        Args:
            now: The clock, in seconds.
        """
        if self._opened_at is not None and now - self._opened_at >= self.policy.stable_s:
            self.failures = 0
        self._opened_at = None
        waiting = delay_s(self.failures, self.policy, self._rng)
        self.failures += 1
        return waiting

    def jitter_s(self) -> float:
        """Return a short random delay, in seconds, for a way back that nothing speaks against. Nothing is counted."""
        return delay_s(0, self.policy, self._rng)
