"""A/A tests looked at fifty times: the sequential interval errs as rarely as it says, the test of school does not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from plumbline.deployment.statistics.sequences import half_width

TESTS, LOOKS, EVERY = 200, 50, 100


def ever(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return how many of the tests the sequence and the z-test ever decide; `values` is `(tests, 2, looks, every)`."""
    n = EVERY * np.arange(1, LOOKS + 1)
    sums, squares = values.sum(-1).cumsum(-1), (values**2).sum(-1).cumsum(-1)
    variances = (squares - sums**2 / n) / (n - 1)
    apart = np.abs(sums[:, 1] - sums[:, 0]) / n
    error = np.sqrt(variances.sum(1) / n)
    halves = np.asarray([half_width(2 * k, 0.05, 2 * n[-1]) * np.sqrt(2 * k) for k in n])
    known = error > 0
    return float((known & (apart > halves * error)).any(-1).mean()), float(
        (known & (apart > norm.ppf(0.975) * error)).any(-1).mean()
    )


@pytest.mark.parametrize("kind", ["a share of 10 %", "a share of 1 %", "spending with a long tail"])
def test_peeking_errs_in_five_percent_at_most_and_with_a_z_test_far_more_often(kind: str) -> None:
    rng = np.random.default_rng(7)
    shape = (TESTS, 2, LOOKS, EVERY)
    if kind.startswith("a share"):
        values = (rng.random(shape, dtype=np.float32) < (0.1 if "10" in kind else 0.01)).astype(np.float64)
    else:
        values = rng.lognormal(0.0, 1.0, shape)
    sequential, school = ever(values)
    assert sequential <= 0.05
    assert school > 0.2


def test_a_real_difference_is_found_all_the_same() -> None:
    rng = np.random.default_rng(8)
    values = (rng.random((TESTS, 2, LOOKS, EVERY)) < np.asarray([0.1, 0.135])[:, None, None]).astype(np.float64)
    assert ever(values)[0] > 0.95
