"""Intervals that survive peeking, arms that have the share they should, less noise, and what can be seen at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.statistics.cuped import adjust
from plumbline.deployment.statistics.power import POWER, detectable_difference, needed_observations
from plumbline.deployment.statistics.sequences import Arm, difference, half_width
from plumbline.deployment.statistics.srm import LIMIT, balance


def looks(rates: tuple[float, float], units: int, every: int, repeats: int, seed: int) -> tuple[float, float]:
    """Return how often the sequence and a z-test ever decide, looking again and again."""
    rng = np.random.default_rng(seed)
    hits = np.cumsum(
        rng.random((repeats, 2, units // every, every)).__lt__(np.asarray(rates)[:, None, None]).sum(-1), -1
    )
    n = every * np.arange(1, units // every + 1)
    sequential = peeking = 0
    for row in hits:
        shares = row / n
        sequential += any(
            (found := difference(Arm.of_shares(int(a), int(k)), Arm.of_shares(int(b), int(k)), 0.05, units * 2))
            is not None
            and found.decided
            for a, b, k in zip(*row, n, strict=True)
        )
        spread = np.sqrt((shares * (1 - shares)).sum(0) / n)
        z = np.abs(shares[1] - shares[0]) / np.where(spread > 0, spread, np.inf)
        peeking += bool((z > norm.ppf(0.975)).any())
    return sequential / repeats, peeking / repeats


def test_an_experiment_without_a_difference_is_decided_in_five_percent_at_most_however_often_one_looks() -> None:
    sequential, peeking = looks((0.1, 0.1), 10_000, 100, 300, seed=11)
    assert sequential <= 0.05
    assert peeking > 0.2  # the same looks with the test of school


def test_a_difference_is_found() -> None:
    sequential, _ = looks((0.1, 0.13), 10_000, 100, 100, seed=12)
    assert sequential >= 0.95


def test_few_observations_give_no_interval_rather_than_a_wrong_one() -> None:
    assert difference(Arm.of_shares(5, 99), Arm.of_shares(5, 1000)) is None


@given(st.integers(100, 10**6), st.integers(100, 10**6), st.floats(-5, 5), st.floats(0.01, 9))
def test_the_interval_lies_around_the_difference_and_swapping_the_arms_turns_it(
    n: int, m: int, mean: float, variance: float
) -> None:
    one, other = Arm(n, mean, variance), Arm(m, 0.5, variance)
    there, back = difference(one, other), difference(other, one)
    assert there is not None
    assert back is not None
    assert there.low <= there.difference <= there.high
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_a_longer_look_is_narrower_once_it_is_past_what_it_is_tuned_for() -> None:
    widths = [half_width(n, 0.05, 1_000) for n in (100, 1_000, 10_000, 100_000)]
    assert widths == sorted(widths, reverse=True)
    # At any fixed n it is wider than the test for one look: that is its price.
    assert half_width(1_000, 0.05, 1_000) > norm.ppf(0.975) / np.sqrt(1_000)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Arm.of_shares(3, 2), "3 hits in 2 observations"),
        (lambda: difference(Arm(200, 0, 1), Arm(200, 0, 1), 2.0), "no probability of error"),
        (lambda: difference(Arm(200, 0, 1), Arm(200, 0, 1), 0.05, 0), "must be above 0, not 0"),
        (lambda: balance([1], [1.0]), "1 arms and 1 shares"),
        (lambda: balance([1, 2], [0.5, 0.6]), "add up to 1.1"),
        (lambda: adjust([1.0], [1.0, 2.0]), "expected one value per unit"),
        (lambda: adjust([float("nan"), 1.0], [1.0, 2.0]), "1 values of the metric are not finite"),
        (lambda: needed_observations(0, 1), "never shows"),
        (lambda: detectable_difference(1, 1), "1 observations show nothing"),
    ],
)
def test_what_cannot_be_is_refused(make, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        make()


def test_five_percent_of_one_arms_events_lost_voids_and_chance_does_not() -> None:
    assert balance([50_000, 47_500], [0.5, 0.5]).broken
    assert not balance([50_100, 49_900], [0.5, 0.5]).broken
    assert not balance([0, 0], [0.5, 0.5]).broken


def test_arms_that_are_looked_at_all_day_are_void_by_chance_in_one_of_a_thousand_at_most() -> None:
    rng, void = np.random.default_rng(5), 0
    for _ in range(100):
        sizes = np.cumsum(rng.binomial(200, 0.5, 50))
        void += any(
            balance([int(a), int(n - a)], [0.5, 0.5]).broken
            for a, n in zip(sizes, range(200, 10_200, 200), strict=True)
        )
    assert void <= 1  # of 100 days; at the limit of 0.001 two would happen once in 200
    assert LIMIT == 0.001


def test_what_was_known_before_takes_noise_away_and_keeps_the_difference() -> None:
    rng = np.random.default_rng(2)
    before = rng.normal(10, 3, 4_000)
    effect = np.repeat([0.0, 0.2], 2_000)
    metric = before + rng.normal(0, 1, 4_000) + effect
    found = adjust(metric, before)
    assert found.reduction == pytest.approx(0.9, abs=0.02)  # 9 of 10 parts of the variance were known
    gained = found.values[2_000:].mean() - found.values[:2_000].mean()
    assert gained == pytest.approx(0.2, abs=0.1)
    unknown = np.where(rng.random(4_000) < 0.5, np.nan, before)
    assert 0.2 < adjust(metric, unknown).reduction < found.reduction
    assert adjust(metric, np.full(4_000, 7.0)).reduction == 0


def test_planning_and_seeing_agree() -> None:
    variance = 0.1 * 0.9
    units = needed_observations(0.02, variance)
    assert detectable_difference(units, variance, tuned_for=units) <= 0.02
    assert detectable_difference(units - 1, variance, tuned_for=units - 1) > 0.02
    rng, seen = np.random.default_rng(4), 0
    for _ in range(200):
        hits = rng.binomial(units // 2, [0.09, 0.11])
        found = difference(*(Arm.of_shares(int(hit), units // 2) for hit in hits), 0.05, units)
        seen += found is not None and found.decided
    assert seen / 200 >= POWER - 0.08
