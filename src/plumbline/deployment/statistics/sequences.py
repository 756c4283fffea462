"""An interval for the difference of two means that is right at every look, not only at one planned in advance.

Asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform central limit
theory and asymptotic confidence sequences", Annals of Statistics 52(6), equation 14, for the difference of two arms
with the variance of that difference, as experimentation platforms use it. It is asymptotic: below `LEAST` observations
per arm no interval is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from plumbline.deployment.core.errors import InvalidError

LEAST = 100
"""Observations per arm before an interval is given: below, a sample variance says too little."""

TUNED_FOR = 5_000
"""Observations in both arms at which the interval is narrowest, if nothing else is planned."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What is known of one arm; enough to go on counting.

    Args:
        n: Observations, each of another unit (a user, not a click).
        mean: Of the observations.
        variance: Of the observations (with n - 1).
    """

    n: int
    mean: float
    variance: float

    @classmethod
    def of_shares(cls, hits: int, n: int) -> Arm:
        """Return the arm of a yes-or-no metric with `hits` in `n` observations."""
        if not 0 <= hits <= n:
            raise InvalidError(f"{hits} hits in {n} observations cannot be")
        share = hits / n if n else 0.0
        return cls(n, share, share * (1 - share) * n / (n - 1) if n > 1 else 0.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """Difference `treatment - control`.

    Args:
        difference: Of the means.
        low: Lower end.
        high: Upper end.
        alpha: Probability that the interval ever misses the truth, over all looks.
    """

    difference: float
    low: float
    high: float
    alpha: float

    @property
    def decided(self) -> bool:
        """Whether it excludes no difference."""
        return self.low > 0 or self.high < 0


def tuning(alpha: float, tuned_for: int) -> float:
    """Return ρ² that makes the sequence narrowest at `tuned_for` observations (the paper's appendix B.2)."""
    log = -2 * math.log(alpha)
    return (log + math.log(log + 1)) / tuned_for


def half_width(n: float, alpha: float, tuned_for: int = TUNED_FOR) -> float:
    """Return half the width for a variance of 1 after `n` observations."""
    rho2 = tuning(alpha, tuned_for)
    return math.sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha))


def difference(control: Arm, treatment: Arm, alpha: float = 0.05, tuned_for: int = TUNED_FOR) -> Interval | None:
    """Return the interval, or None while there are too few observations to say anything.

    Args:
        control: The arm that stays as it was.
        treatment: The arm with the change.
        alpha: Probability of error over all looks, between 0 and 1.
        tuned_for: Observations in both arms together at which the interval is to be narrowest; to be fixed before the
            start.

    Raises:
        InvalidError: The level is no probability, or `tuned_for` is not positive.
    """
    if not 0 < alpha < 1:
        raise InvalidError(f"a level of {alpha:g} is no probability of error: it must lie between 0 and 1")
    if tuned_for <= 0:
        raise InvalidError(f"tuned_for counts observations and must be above 0, not {tuned_for}")
    if min(control.n, treatment.n) < LEAST:
        return None
    n = control.n + treatment.n
    # The variance of the difference, for one of n observations: then the sequence for one mean applies.
    spread = math.sqrt(n * (control.variance / control.n + treatment.variance / treatment.n))
    half = spread * half_width(n, alpha, tuned_for)
    middle = treatment.mean - control.mean
    return Interval(middle, middle - half, middle + half, alpha)
