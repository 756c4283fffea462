"""Admission, ways out, positions, histograms: values in, values out."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core import sse
from plumbline.streaming.core.admission import LONGEST_RETRY_S, Admission
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.farewell import lifetime, notice, slices
from plumbline.streaming.core.histogram import Histogram
from plumbline.streaming.core.request import RefusedError, Request
from plumbline.streaming.core.settings import Settings

names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=40)


def test_a_storm_is_let_in_at_the_rate_and_everybody_is_told_a_place_in_the_line():
    settings, door = Settings(accept_rate=1000.0, accept_burst=500), Admission()
    waits, reasons = [], set()
    for _ in range(15_000):
        try:
            door.check(settings, "10.0.0.1", 0, now=100.0, spread=0.5)
        except RefusedError as refused:
            reasons.add((refused.status, refused.reason))
            waits.append(int(refused.headers["Retry-After"]))
    assert reasons == {(503, "accept-rate")}
    assert len(waits) == 14_500
    assert max(waits) <= 14.5 + 2, "the line is as long as the storm divided by the rate"
    a_second = [waits.count(second) for second in range(2, 15)]
    assert max(a_second) <= 1000, "and no second of it holds more than the rate"


def test_a_line_never_grows_beyond_the_longest_wait():
    settings, door = Settings(accept_rate=0.1, accept_burst=1), Admission()
    for _ in range(100):
        wait = door.over_rate(settings, 0.0)
    assert wait == LONGEST_RETRY_S


def test_the_rate_is_off_unless_it_is_set():
    door = Admission()
    for _ in range(10_000):
        door.check(Settings(), "10.0.0.1", 0, now=0.0, spread=0.0)


def test_an_address_has_so_many_connections_and_handshakes_and_no_more():
    settings = Settings(max_connections_per_address=2, max_handshakes_per_address=1)
    door = Admission()
    door.enter("a")
    door.enter("a")
    with pytest.raises(RefusedError, match="this address has 2 connections"):
        door.check(settings, "a", 2, 0.0, 0.0)
    door.check(settings, "b", 2, 0.0, 0.0)
    door.leave("a")
    door.check(settings, "a", 1, 0.0, 0.0)
    assert not door.too_many_knocks(settings, "a")
    door.knock("a")
    assert door.too_many_knocks(settings, "a")
    door.answered("a")
    assert not door.knocking, "nothing is kept of an address that is gone"


@given(st.integers(0, 300), st.floats(0.05, 100))
def test_ways_out_are_even_and_within_the_window(count, within_s):
    leaves = slices(count, within_s, random.Random(1).shuffle)
    moments = sorted(leave.after_s for leave in leaves)
    assert len(leaves) == count
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    assert all(gap == pytest.approx(0.8 * within_s / count, rel=1e-6) for gap in gaps)
    assert all(0 < leave.after_s < leave.close_s <= within_s * 1.0001 for leave in leaves)


@given(st.floats(0.1, 1e6), st.floats(0, 0.9), st.floats(0, 1))
def test_a_lifetime_is_at_most_its_age_and_told_before_its_end(age_s, jitter, chance):
    lives_s = lifetime(age_s, jitter, chance)
    assert age_s * (1 - jitter) <= lives_s * 1.0001
    assert lives_s <= age_s
    assert 0 < notice(age_s) <= min(10, age_s / 10 + 1e-9)


@given(st.dictionaries(names, st.builds(Position, names, st.integers(0, 1 << 60)), max_size=8))
def test_positions_survive_the_way_through_a_browser(positions):
    text = sse.write_positions(positions).decode("ascii")
    assert "\n" not in text
    assert "\0" not in text
    assert sse.read_positions(text) == positions


@pytest.mark.parametrize("text", ["x", "a=b", "a=e:", "a=e:x", "=&&="])
def test_an_id_that_is_none_of_ours_is_refused(text):
    with pytest.raises(RefusedError, match="Last-Event-ID is no position"):
        sse.read_positions(text)


def test_channels_of_an_event_stream_come_from_path_and_query_and_each_once():
    request = Request("GET", "/sse/a,b", "channel=b&channel=c&mode=latest", {"last-event-id": "c=e%3A1:7"})
    assert sse.subscriptions("a,b", request) == [
        '{"id":0,"subscribe":"a","mode":"latest"}',
        '{"id":1,"subscribe":"b","mode":"latest"}',
        '{"id":2,"subscribe":"c","since":{"epoch":"e:1","offset":7},"mode":"latest"}',
    ]


def test_a_client_that_must_not_come_back_is_told_to_wait_for_a_day():
    assert sse.closing(4501, "no", 2.0).startswith(b"retry: 86400000\n")
    assert sse.closing(1012, "restart", 2.0).startswith(b"retry: 2000\n")
    [(kind, data, _)] = sse.stream(sse.closing(4008, "slow", 2.0).decode())
    assert kind == "close"
    assert '"again":true' in data


@given(st.lists(st.floats(0, 10)))
def test_a_histogram_counts_every_value_once(values):
    shape = Histogram((0.1, 1.0, 5.0))
    for value in values:
        shape.note(value)
    told = dict(shape.cumulative())
    assert told == {
        bound: sum(value <= float(bound.replace("+Inf", "inf")) for value in values)
        for bound in ("0.1", "1.0", "5.0", "+Inf")
    }
    assert shape.count == len(values)
    assert shape.total == pytest.approx(sum(values))
