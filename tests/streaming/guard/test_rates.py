"""Token buckets, with a clock of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.rates import FEWEST_KEPT, Buckets, Rate

steps = st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 30)), min_size=1, max_size=60)


@given(st.floats(0.1, 100), st.floats(1, 50), steps)
def test_no_more_passes_in_any_stretch_of_time_than_the_burst_and_what_came_back(per_s, burst, asked):
    rate, full_at, now, passed = Rate(per_s, burst), 0.0, 0.0, []
    for later, cost in asked:
        now += later
        full_at, wait_s = rate.take(full_at, now, cost)
        if not wait_s:
            passed.append((now, cost))
    for first, (began, _) in enumerate(passed):
        for last in range(first, len(passed)):
            costs = [cost for _, cost in passed[first : last + 1]]
            # one that is larger than the bucket passes from a full one, and is paid off afterwards
            most = max(burst, *costs) + per_s * (passed[last][0] - began)
            if max(costs) <= burst:
                assert sum(costs) <= most * (1 + 1e-9) + 1e-5


@given(st.floats(0.1, 100), st.floats(1, 50), steps)
def test_who_waits_as_long_as_told_is_let_through(per_s, burst, asked):
    rate, full_at, now = Rate(per_s, burst), 0.0, 0.0
    for later, cost in asked:
        now += later
        full_at, wait_s = rate.take(full_at, now, cost)
        if wait_s:
            again, none = rate.take(full_at, now + wait_s * (1 + 1e-9) + 1e-9, cost)
            assert none == 0
            assert again > full_at


def test_a_refusal_costs_nothing():
    rate = Rate(1, 2)
    full_at = 0.0
    for _ in range(2):
        full_at, wait_s = rate.take(full_at, 10.0)
        assert wait_s == 0
    refused = [rate.take(full_at, 10.0) for _ in range(100)]
    assert {wait_s for _, wait_s in refused} == {1.0}
    assert rate.take(full_at, 11.0)[1] == 0


def test_zero_is_no_limit():
    assert Rate(0, 1).take(0.0, 0.0, 1e12) == (0.0, 0.0)
    assert Buckets().take(Rate(0, 1), "x", 0.0) == 0


@pytest.mark.parametrize(("per_s", "burst"), [(-1, 1), (float("nan"), 1), (float("inf"), 1), (1, 0.5)])
def test_a_rate_that_makes_no_sense_is_refused(per_s, burst):
    with pytest.raises(ValueError, match="rate"):
        Rate(per_s, burst)


def test_keys_have_buckets_of_their_own():
    buckets, rate = Buckets(), Rate(1, 1)
    assert buckets.take(rate, "a", 0.0) == 0
    assert buckets.take(rate, "a", 0.0) == 1
    assert buckets.take(rate, "b", 0.0) == 0


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=400))
def test_as_many_are_kept_as_did_something_lately(names):
    buckets, rate = Buckets(), Rate(10, 1)
    for number, name in enumerate(names):
        buckets.take(rate, name, float(number))  # full again after 0.1 s: only the last one is not
        assert len(buckets) <= FEWEST_KEPT
