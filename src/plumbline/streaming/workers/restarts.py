"""When a worker that died is started again. Pure: the clock is passed in."""

from __future__ import annotations

FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 10.0
STABLE_S = 30.0  # a worker that lived this long had started well
CRASH_LOOP = 5  # early deaths in a row that people should hear of


class Restarts:
    """Counts early deaths in a row; each doubles the delay before the next start, up to a limit."""

    def __init__(self) -> None:
        self.early = 0
        self.total = 0

    @property
    def crash_loop(self) -> bool:
        """Whether it dies again and again."""
        return self.early >= CRASH_LOOP

    def delay_s(self, lived_s: float) -> float:
        """Note a death, and return how long to wait, in seconds.

        Args:
            lived_s: How long the worker had been ready; 0 if it never was.
        """
        self.total += 1
        self.early = 1 if lived_s >= STABLE_S else self.early + 1
        return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(self.early - 1, 30)))
