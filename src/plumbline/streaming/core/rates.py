"""Token buckets: how much somebody may do, and how long to wait for more. No I/O, and the clock is passed in.

A bucket is kept as one number, the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371):
15,000 of them cost 15,000 floats, and one that is full need not be kept at all.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
FEWEST_KEPT = 64
GRAIN = 1e-6  # units: less than this is the rounding of clocks


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket's size and how fast it fills.

    Args:
        per_s: Units that come back each second; 0 for no limit.
        burst: Units it holds when it is full: as much may be done at once after a rest. At least 1.

    Raises:
        ValueError: A number is out of range.
    """

    per_s: float
    burst: float

    def __post_init__(self) -> None:
        if not 0 <= self.per_s < float("inf") or not 1 <= self.burst < float("inf"):
            raise ValueError(f"a rate is 0 or more each second with a burst of 1 or more, not {self}")

    def take(self, full_at: float, now: float, cost: float = 1) -> tuple[float, float]:
        """Take `cost` units if they are there.

        What costs more than a full bucket is let through from a full one: it could never pass otherwise. The debt is
        worked off before anything else passes, so that the rate holds all the same.

        Args:
            full_at: What the last call returned; 0 for a bucket that nobody has taken from.
            now: The clock, in seconds.
            cost: Units.

        Returns:
            When the bucket will be full again, and the seconds to wait before trying again: 0 if it was let through.
        """
        if not self.per_s:
            return full_at, 0.0
        full_at = max(full_at, now)
        missing = (full_at - now) * self.per_s  # units that are not there
        room = max(0.0, self.burst - cost)
        if missing > room + GRAIN:
            return full_at, (missing - room) / self.per_s
        return full_at + cost / self.per_s, 0.0


class Buckets(Generic[Key]):
    """One bucket for each key that did something lately; those that are full again are forgotten."""

    def __init__(self) -> None:
        self._full_at: dict[Key, float] = {}
        self._sweep_at = FEWEST_KEPT

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, rate: Rate, key: Key, now: float, cost: float = 1) -> float:
        """Take from this key's bucket and return the seconds to wait, 0 if it was let through."""
        if not rate.per_s:
            return 0.0
        self._full_at[key], wait_s = rate.take(self._full_at.get(key, 0.0), now, cost)
        if len(self._full_at) > self._sweep_at:
            self._full_at = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
            self._sweep_at = max(FEWEST_KEPT, 2 * len(self._full_at))  # so that sweeping costs little per call
        return wait_s
