"""How long a prediction takes, as a line over its rows, measured while serving. No I/O."""

from __future__ import annotations

DECAY = 0.98  # per prediction: the last 50 or so count
SPREAD = 0.25  # variance of rows below which a slope would be noise


class Pace:
    """`fixed_s + per_row_s * rows`, by exponentially weighted least squares. Both are 0 before the first note."""

    __slots__ = ("_n", "_nn", "_nt", "_t", "_weight", "fixed_s", "per_row_s")

    def __init__(self) -> None:
        self.fixed_s = self.per_row_s = 0.0
        self._weight = self._n = self._t = self._nn = self._nt = 0.0

    def note(self, rows: int, took_s: float) -> None:
        """Learn of one prediction: its rows, and its time in seconds."""
        self._weight = self._weight * DECAY + 1.0
        self._n = self._n * DECAY + rows
        self._t = self._t * DECAY + took_s
        self._nn = self._nn * DECAY + rows * rows
        self._nt = self._nt * DECAY + rows * took_s
        mean_n, mean_t = self._n / self._weight, self._t / self._weight
        spread = self._nn / self._weight - mean_n * mean_n
        if spread >= SPREAD:
            slope = (self._nt / self._weight - mean_n * mean_t) / spread
            self.per_row_s = min(max(slope, 0.0), mean_t / mean_n)
        elif not self.per_row_s:
            self.per_row_s = mean_t / mean_n / 2  # one size only: nothing is known of how it grows
        self.fixed_s = max(mean_t - self.per_row_s * mean_n, 0.0)

    def expected_s(self, rows: int) -> float:
        """Return how long a prediction of so many rows takes, in seconds."""
        return self.fixed_s + self.per_row_s * rows

    @property
    def joins(self) -> bool:
        """Whether one prediction for two rows is clearly cheaper than two: a fifth of the row's cost or more."""
        return self.fixed_s > 0.25 * self.per_row_s
