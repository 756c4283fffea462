"""Counts of durations by size, as Prometheus has them. No I/O."""

from __future__ import annotations

from bisect import bisect_left


class Histogram:
    """How often a value fell below each bound.

    Args:
        bounds: Upper bounds, ascending; one more for everything beyond is added.
    """

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def note(self, value: float) -> None:
        """Count one value; a bound counts as below itself."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def cumulative(self) -> list[tuple[str, int]]:
        """Return each upper bound as text (the last is `+Inf`) and how many values were not above it."""
        pairs = []
        below = 0
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self._counts, strict=True):
            below += count
            pairs.append((bound, below))
        return pairs
