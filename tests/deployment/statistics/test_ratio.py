"""The watch's test errs no more often than it says, however often one looks, and sees what is worth seeing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.statistics.drift import log_evidence as drifted
from plumbline.deployment.statistics.power import chance, detectable_rate
from plumbline.deployment.statistics.ratio import Counts, Ratio, threshold

ALPHA = 0.05


def stops(
    rates: tuple[float, float], share: float, requests: int, repeats: int, alpha: float, test: Ratio
) -> np.ndarray:
    """Return after how many requests each of many watches decided, infinity for never."""
    rng = np.random.default_rng(7)
    found = np.full(repeats, np.inf)
    for number in range(repeats):
        new = rng.random(requests) < share
        events = np.flatnonzero(rng.random(requests) < np.where(new, rates[1], rates[0]))
        path = test.log_path(new[events], share)
        over = np.flatnonzero(path >= threshold(alpha))
        if len(over):
            found[number] = events[over[0]] + 1
    return found


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_equal_sides_are_called_harmful_no_more_often_than_the_level_says(rate: float, share: float) -> None:
    found = stops((rate, rate), share, 4_000, 1_000, ALPHA, Ratio())
    # 1,000 watches: two standard deviations of a share of 5 % are 1.4 points.
    assert np.isfinite(found).mean() <= ALPHA + 0.014


def test_a_rate_that_moves_through_the_day_on_both_sides_is_no_harm() -> None:
    rng, found = np.random.default_rng(3), 0
    for _ in range(400):
        new = rng.random(4_000) < 0.5
        rates = np.repeat([0.01, 0.2, 0.02, 0.4], 1_000)  # an outage that hits both, twice
        events = np.flatnonzero(rng.random(4_000) < rates)
        found += bool((Ratio().log_path(new[events], 0.5) >= threshold(ALPHA)).any())
    assert found / 400 <= ALPHA + 0.022


def test_five_times_as_many_errors_are_seen_within_few_requests() -> None:
    found = stops((0.01, 0.05), 0.5, 4_000, 400, 0.01, Ratio())
    assert np.isfinite(found).all()
    assert np.median(found) / 2 <= 400  # per arm; issue's bar


def test_what_is_tolerated_is_no_harm_however_long_one_looks() -> None:
    found = stops((0.05, 0.06), 0.5, 20_000, 200, ALPHA, Ratio(margin=1.25))
    assert np.isfinite(found).mean() <= ALPHA


counts = st.lists(
    st.builds(Counts, st.integers(0, 50), st.integers(0, 50), st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=3
)


@given(counts, st.sampled_from([1.0, 1.25]))
def test_evidence_does_not_depend_on_the_order_and_grows_with_every_event_on_the_new_side(
    given_: list[Counts], margin: float
) -> None:
    test = Ratio(margin=margin)
    evidence = test.log_evidence(tuple(given_))
    assert evidence == pytest.approx(test.log_evidence(tuple(reversed(given_))))
    first = given_[0]
    more = (Counts(first.new + 1, first.baseline, first.share), *given_[1:])
    less = (Counts(first.new, first.baseline + 1, first.share), *given_[1:])
    assert test.log_evidence(more) > evidence > test.log_evidence(less)


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([0.1, 0.5]))
def test_counting_and_following_the_path_end_at_the_same_evidence(new: list[bool], share: float) -> None:
    test = Ratio()
    whole = test.log_evidence((Counts(sum(new), len(new) - sum(new), share),))
    assert test.log_path(np.asarray(new), share)[-1] == pytest.approx(whole)


def test_on_average_the_evidence_does_not_grow_when_nothing_is_wrong() -> None:
    # The definition: its expectation after one event is 1 at the margin, and less below it.
    for share in (0.1, 0.5):
        one = np.exp([Ratio().log_evidence((Counts(1, 0, share),)), Ratio().log_evidence((Counts(0, 1, share),))])
        assert share * one[0] + (1 - share) * one[1] == pytest.approx(1)
        fewer = share * 0.5 / (share * 0.5 + 1 - share)
        assert fewer * one[0] + (1 - fewer) * one[1] < 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Counts(1, 1, 0.0), "leaves nothing to compare"),
        (lambda: Counts(-1, 1, 0.5), "cannot be negative"),
        (lambda: Ratio(margin=0), "above 0, not 0"),
        (lambda: Ratio(against=(0.5,)), "must be above 1"),
        (lambda: threshold(1.5), "no probability of error"),
    ],
)
def test_what_cannot_be_is_refused(make, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        make()


def test_scores_that_fall_elsewhere_are_drift_and_equal_ones_are_not() -> None:
    even = [100] * 10
    shifted = [30, 40, 60, 80, 100, 110, 120, 140, 160, 160]
    assert drifted(shifted, even, 0.5) > threshold(0.01)
    assert drifted(even, even, 0.5) < 0
    assert drifted([2 * one for one in even], even, 2 / 3) < 0  # more traffic is no drift
    with pytest.raises(InvalidError, match="9 ranges cannot be compared with scores in 10"):
        drifted(even[:9], even, 0.5)


def test_what_is_called_detectable_is_seen_with_the_promised_probability() -> None:
    rate = detectable_rate(Ratio(), 0.01, 4_000, 0.5, 0.01)
    assert rate is not None
    assert 0.01 < rate < 0.05
    assert chance(Ratio(), (0.01, rate), 4_000, 0.5, 0.01, seed=9) >= 0.7
    assert chance(Ratio(), (0.01, 0.01), 4_000, 0.5, 0.01, seed=9) <= 0.02


def test_a_watch_that_is_too_short_says_that_it_sees_nothing() -> None:
    assert detectable_rate(Ratio(), 0.01, 6, 0.05, 0.01) is None
    assert chance(Ratio(), (0.0, 0.0), 100, 0.5, 0.01) == 0
