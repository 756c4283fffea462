"""How long the client waits between attempts."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.client.backoff import Backoff, BackoffPolicy, delay_s


@st.composite
def policies(draw):
    floor = draw(st.floats(0.001, 1))
    base = draw(st.floats(floor, 10))
    return BackoffPolicy(floor, base, draw(st.floats(base, 300)), draw(st.floats(0, 60)))


@given(policies(), st.integers(0, 10_000), st.integers())
def test_a_delay_is_never_below_the_floor_nor_above_the_doubling_ceiling(policy, attempt, seed):
    waiting = delay_s(attempt, policy, Random(seed))
    assert 0 < policy.floor_s <= waiting <= min(policy.cap_s, policy.base_s * 2.0 ** min(attempt, 60)) * (1 + 1e-9)


@given(policies(), st.integers(), st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_only_a_connection_that_lasted_long_enough_resets_the_count(policy, seed, lifetimes):
    backoff, now, in_a_row = Backoff(policy, Random(seed)), 0.0, 0
    for lifetime in lifetimes:
        backoff.opened(now)
        opened_at, now = now, now + lifetime
        in_a_row = 1 if now - opened_at >= policy.stable_s else in_a_row + 1
        now += backoff.next_s(now)
        assert backoff.failures == in_a_row


@given(policies(), st.integers())
def test_a_server_that_accepts_and_closes_at_once_is_asked_ever_more_rarely(policy, seed):
    """200 connections that end at once take at least the floor each: no loop without delay."""
    backoff, now = Backoff(policy, Random(seed)), 0.0
    for _ in range(200):
        backoff.opened(now)
        now += backoff.next_s(now)
    assert now >= 200 * policy.floor_s * (1 - 1e-9)
    assert backoff.failures == (200 if policy.stable_s > 0 else 1)


def test_many_clients_that_are_cut_off_together_come_back_spread_over_the_whole_interval():
    delays = sorted(Backoff(BackoffPolicy(), Random(seed)).next_s(0) for seed in range(1000))
    tenths = [sum(low <= d < low + 0.05 for d in delays) for low in (0.05 * i for i in range(1, 10))]
    assert min(tenths) > 1000 / 9 / 2


def test_a_way_back_that_nothing_speaks_against_costs_no_attempt():
    backoff = Backoff(BackoffPolicy(), Random(1))
    assert 0.05 <= backoff.jitter_s() <= 0.5
    assert backoff.failures == 0


@pytest.mark.parametrize("bad", [{"floor_s": 0}, {"base_s": 60}, {"cap_s": float("inf")}, {"stable_s": -1}])
def test_bounds_that_permit_a_loop_without_delay_are_refused(bad):
    with pytest.raises(ValueError, match="0 < floor_s <= base_s <= cap_s"):
        BackoffPolicy(**bad)
