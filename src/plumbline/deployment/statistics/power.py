"""What an experiment or a watch can see in the time given: said before the start, in requests and in effects."""

from __future__ import annotations

import math

import numpy as np

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.statistics.ratio import Ratio, threshold
from plumbline.deployment.statistics.sequences import TUNED_FOR, half_width

POWER = 0.8
"""Probability of seeing what is called detectable, by convention (Cohen, 1988)."""

_REPEATS = 400
_Z = 0.8416  # the normal quantile of POWER


def detectable_difference(n: int, variance: float, alpha: float = 0.05, tuned_for: int = TUNED_FOR) -> float:
    """Return the smallest difference of means that `n` observations in all, half per arm, show with `POWER`.

    Args:
        n: Observations in both arms together, above 1.
        variance: Of one observation.
        alpha: Level over all looks.
        tuned_for: As the interval's.

    Raises:
        InvalidError: Too few observations.
    """
    if n < 2:
        raise InvalidError(f"{n} observations show nothing: two arms want at least one each")
    spread = math.sqrt(4 * variance)
    return spread * (half_width(n, alpha, tuned_for) + _Z / math.sqrt(n))


def needed_observations(difference: float, variance: float, alpha: float = 0.05) -> int:
    """Return how many observations in both arms together show a difference with `POWER`, tuned for that number.

    Raises:
        InvalidError: The difference is not above 0.
    """
    if difference <= 0:
        raise InvalidError(f"a difference of {difference:g} never shows: name one above 0")
    low, high = 2, 4
    while detectable_difference(high, variance, alpha, high) > difference:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high) if detectable_difference(middle, variance, alpha, middle) > difference else (low, middle)
        )
    return high


def chance(test: Ratio, rates: tuple[float, float], requests: int, share: float, alpha: float, seed: int = 0) -> float:
    """Return the probability that a watch decides for harm within a number of requests, by simulation.

    Args:
        test: The watch's test.
        rates: How often the event happens per request, on the baseline and on the new side, each between 0 and 1.
        requests: In both sides together.
        share: Probability that a request goes to the new side.
        alpha: The watch's level.
        seed: Of the simulation.
    """
    baseline, new = rates
    rng = np.random.default_rng(seed)
    per_request = share * new + (1 - share) * baseline
    if per_request == 0:
        return 0.0
    events = rng.binomial(requests, per_request, _REPEATS)
    longest = int(events.max())
    if longest == 0:
        return 0.0
    sides = rng.random((_REPEATS, longest)) < share * new / per_request
    path = test.log_path(sides, share)
    path[np.arange(longest)[None, :] >= events[:, None]] = -np.inf
    return float((path.max(axis=1) >= threshold(alpha)).mean())


def detectable_rate(test: Ratio, baseline: float, requests: int, share: float, alpha: float) -> float | None:
    """Return the lowest rate on the new side that a watch sees with `POWER` within a number of requests.

    Args:
        test: The watch's test.
        baseline: Rate of the event on the baseline, between 0 and 1.
        requests: In both sides together.
        share: Probability that a request goes to the new side.
        alpha: The watch's level.

    Returns:
        A rate, or None when even a new side that always fails would not be seen.
    """
    low, high = baseline * test.margin, 1.0
    if chance(test, (baseline, high), requests, share, alpha) < POWER:
        return None
    for _ in range(12):
        middle = math.sqrt(low * high) if low > 0 else high / 4
        if chance(test, (baseline, middle), requests, share, alpha) >= POWER:
            high = middle
        else:
            low = middle
    return high
