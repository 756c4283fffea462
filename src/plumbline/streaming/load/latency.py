"""Latencies: cheap to note in the generator, exact to three figures in the report (HDR histograms)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

FIGURES = 3
_BITS = 11  # 2048 steps an octave: better than three figures, as HdrHistogram has it
LONGEST_US = 3_600_000_000  # one hour
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)

Counts = dict[int, int]


class Recorder:
    """Collects latencies in microseconds, by series; `take` gives and forgets them."""

    def __init__(self) -> None:
        self._series: dict[tuple[int, str], list[int]] = {}

    def series(self, phase: int, kind: str) -> list[int]:
        """Return the list to which latencies of this series are appended; it is new after each `take`."""
        found = self._series.get((phase, kind))
        if found is None:
            found = self._series[(phase, kind)] = []
        return found

    def note(self, phase: int, kind: str, latency_us: int) -> None:
        """Note one latency."""
        self.series(phase, kind).append(latency_us)

    def take(self) -> list[tuple[int, str, list[int], list[int]]]:
        """Return (phase, kind, values, counts) of each series since the last time."""
        taken = []
        for (phase, kind), values in self._series.items():
            steps, counts = condense(values)
            taken.append((phase, kind, steps, counts))
        self._series = {}
        return taken


def condense(values: Iterable[int]) -> tuple[list[int], list[int]]:
    """Return distinct latencies, rounded down to 11 significant bits, and how often each occurred."""
    array = np.maximum(np.asarray(list(values), dtype=np.int64), 0)
    excess = np.maximum(np.floor(np.log2(np.maximum(array, 1))).astype(np.int64) + 1 - _BITS, 0)
    steps, counts = np.unique((array >> excess) << excess, return_counts=True)
    return steps.tolist(), counts.tolist()


def peaks(values: Sequence[int], before: int) -> tuple[list[int], int]:
    """Return the last latency of each message that is complete, and the one that may go on.

    All deliveries of one message are due at the same time, so their latencies only grow; where they fall, the next
    message begins. Holds for messages that do not overlap.

    Args:
        values: Latencies in the order of arrival.
        before: The last latency of the values before these; -1 for none.
    """
    array = np.asarray([before, *values], dtype=np.int64)
    ends = array[:-1][np.diff(array) < 0]
    return [value for value in ends.tolist() if value >= 0], int(array[-1])


class Histogram:
    """An HDR histogram from 1 us to one hour that says what reports need."""

    def __init__(self) -> None:
        from hdrh.histogram import HdrHistogram

        self._inner = HdrHistogram(1, LONGEST_US, FIGURES)
        self.counts: Counts = {}

    def add(self, values: Iterable[int], counts: Iterable[int]) -> None:
        """Add latencies in microseconds, each so many times."""
        for value, count in zip(values, counts, strict=True):
            step = min(max(value, 1), LONGEST_US)
            self._inner.record_value(step, count)
            self.counts[step] = self.counts.get(step, 0) + count

    @property
    def count(self) -> int:
        """How many were added."""
        return int(self._inner.get_total_count())

    def at(self, percentile: float) -> float:
        """Return the latency in seconds that this share (0 to 100) did not exceed."""
        if not self.count:
            return 0.0
        return float(min(self._inner.get_value_at_percentile(percentile), self._inner.get_max_value())) / 1e6

    def summary(self) -> dict[str, Any]:
        """Return count, mean and percentiles in seconds as JSON values."""
        if not self.count:
            return {"count": 0}
        named = {("max" if p == 100.0 else f"p{p:g}") + "_s": self.at(p) for p in PERCENTILES}
        return {"count": self.count, "mean_s": float(self._inner.get_mean_value()) / 1e6, **named}

    def curve(self) -> list[tuple[float, float]]:
        """Return (percentile, seconds) points, denser towards the end, for a percentile plot."""
        if not self.count:
            return []
        shares = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999]
        return [(p, self.at(p)) for p in shares if (1 - p / 100) * self.count >= 1] + [(100.0, self.at(100.0))]


def quantile(counts: Mapping[int, int], share: float) -> float:
    """Return the latency in seconds that `share` (0 to 1) of the counted did not exceed; 0 for none."""
    left = share * sum(counts.values())
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value / 1e6
    return 0.0
