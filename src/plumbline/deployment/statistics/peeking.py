"""What looking again and again does to a test that was made for one look: kept to judge what others decided by.

Source: Armitage, McPherson and Rowe (1969), "Repeated significance tests on accumulating data", Journal of the Royal
Statistical Society A 132(2). Without any effect, the test's statistic after `n` observations is a Brownian motion at
time `n` over the root of `n`; a plan of looks errs if it crosses at one of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.statistics.sequences import Arm

PATHS = 20_000
"""Simulated experiments: the standard error of a rate near a third is a third of a percentage point."""

_CHUNK = 2_000


def fixed_p(control: Arm, treatment: Arm) -> float:
    """Return the two-sided p-value of the z-test for two means, which is for one look at a size fixed before."""
    if min(control.n, treatment.n) < 2:
        return 1.0
    deviation = math.sqrt(control.variance / control.n + treatment.variance / treatment.n)
    if deviation == 0:
        return 1.0
    return math.erfc(abs(treatment.mean - control.mean) / deviation / math.sqrt(2))


def false_alarms(sizes: Sequence[float], level: float, seed: int = 0) -> float:
    """Return how often an experiment without any effect is below `level` at one look or more, by simulation.

    Args:
        sizes: Observations at each look, rising, above 0; only their ratios matter.
        level: Of the fixed-horizon test, between 0 and 1.
        seed: Of the simulation.

    Raises:
        InvalidError: The sizes do not rise from above 0, or the level is no probability.
    """
    at = np.asarray(sizes, dtype=np.float64)
    steps = np.diff(at, prepend=0.0)
    if not len(at) or steps.min() <= 0:
        raise InvalidError("looks are at sizes that rise from above 0")
    if not 0 < level < 1:
        raise InvalidError(f"a level of {level:g} is no probability of error: it must lie between 0 and 1")
    limit = _quantile(level) * np.sqrt(at)
    rng, crossed = np.random.default_rng(seed), 0
    for _ in range(PATHS // _CHUNK):
        paths = np.cumsum(rng.standard_normal((_CHUNK, len(at))) * np.sqrt(steps), axis=1)
        crossed += int((np.abs(paths) >= limit).any(axis=1).sum())
    return crossed / PATHS


def _quantile(level: float) -> float:
    """Return the z at which a two-sided test has this p-value."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(1 - level / 2)
