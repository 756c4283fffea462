"""Which address comes next."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.client.backoff import Backoff, BackoffPolicy
from plumbline.streaming.client.route import Route
from plumbline.streaming.client.verdict import Verdict, of_close, of_refusal, unreachable

A, B = "ws://a/", "ws://b/"
LOST = of_close(1006, "")
DOWN = unreachable("nobody listens")


def route(*urls, renewable=False, fail_back_s=30.0):
    return Route(urls, Backoff(BackoffPolicy(), Random(7)), fail_back_s=fail_back_s, renewable=renewable)


def test_a_lost_connection_is_first_sought_where_it_was():
    r = route(A, B)
    r.opened(A, 0)
    assert r.ended(LOST, 1).url == A


def test_an_address_that_cannot_be_reached_is_left_for_the_next():
    r = route(A, B)
    assert r.ended(DOWN, 0).url == B


def test_when_all_fail_the_one_that_failed_longest_ago_is_next():
    r = route(A, B)
    assert [r.ended(DOWN, now).url for now in range(6)] == [B, A, B, A, B, A]


def test_the_preferred_address_is_tried_again_after_a_while():
    r = route(A, B)
    r.ended(DOWN, 0)
    r.opened(B, 1)
    assert r.better(29) is None
    assert r.better_in_s(29) == pytest.approx(1)
    assert r.better(30) == A
    r.failed_back(A, DOWN, 31)
    assert r.better(60) is None
    assert r.better(61) == A
    r.opened(A, 61)
    assert r.better(1000) is None
    assert r.better_in_s(1000) is None


def test_retry_after_is_waited_for_when_there_is_no_other_address():
    busy = of_refusal(503, {"Retry-After": "20"}, "", 0)
    following = route(A).ended(busy, 0)
    assert following.ordered
    assert 20 < following.wait_s <= 20.5


def test_retry_after_of_one_address_does_not_hold_back_the_other():
    busy = of_refusal(503, {"Retry-After": "20"}, "", 0)
    following = route(A, B).ended(busy, 0)
    assert following.url == B
    assert not following.ordered
    assert following.wait_s <= 0.5


def test_an_address_that_says_never_is_never_asked_again_but_others_are():
    r = route(A, B)
    assert r.ended(Verdict("no", again=False), 0).url == B
    assert r.ended(DOWN, 1).url == B
    assert r.ended(Verdict("no", again=False), 2) is None


def test_a_refused_token_that_cannot_be_renewed_ends_it():
    assert route(A).ended(of_close(4501, ""), 0) is None
    assert route(A).ended(of_close(4001, ""), 0) is None


def test_a_refused_token_is_renewed_once_not_for_ever():
    r = route(A, B, renewable=True)
    assert r.ended(of_refusal(401, {}, "", 0), 0) is not None
    assert r.ended(of_refusal(401, {}, "", 0), 1) is None


def test_an_accepted_token_starts_the_count_anew():
    r = route(A, renewable=True)
    for now in range(5):
        assert r.ended(of_close(4001, ""), now) is not None
        r.opened(A, now)
        r.accepted()


def test_no_address_is_an_error():
    with pytest.raises(ValueError, match="at least one address"):
        route()


VERDICTS = st.sampled_from([LOST, DOWN, of_close(4029, ""), of_close(1012, ""), of_refusal(503, {}, "", 0)])


@given(st.lists(st.tuples(VERDICTS, st.booleans(), st.floats(0, 60)), max_size=60), st.integers(1, 3))
def test_whatever_happens_no_attempt_follows_without_a_delay(steps, count):
    r, now = route(*(f"ws://{i}/" for i in range(count))), 0.0
    for verdict, opens, lasts in steps:
        if opens:
            r.opened(r.url, now)
            now += lasts
        following = r.ended(verdict, now)
        assert following.wait_s >= 0.05
        assert following.wait_s >= verdict.at_least_s or count > 1
        now += following.wait_s
