from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.lab.service import Service, Workload
from plumbline.lab.workload.__main__ import audience
from plumbline.lab.workload.ledger import HORIZON_S, SETTLE_S, Ledger, percentile


def one_channel(subscribers: int = 2) -> Ledger:
    return Ledger([subscribers], subscribers + 1)


def test_a_message_that_reached_all_subscribers_is_delivered_with_its_delay() -> None:
    ledger = one_channel()
    number = ledger.due(0, 10.0)
    ledger.taken(0, number)
    ledger.arrived(0, number, 0, 10.1)
    ledger.arrived(0, number, 1, 10.3)
    service = ledger.measure(11.0, 2.0)
    assert (service.due, service.delivered, service.published, service.published_due) == (2, 2, 1, 1)
    assert service.p50_s == pytest.approx(0.1)
    assert service.p99_s == pytest.approx(0.3)


def test_a_missing_message_counts_its_age_so_that_silence_is_not_fast() -> None:
    ledger = one_channel()
    number = ledger.due(0, 10.0)
    ledger.arrived(0, number, 0, 10.1)
    service = ledger.measure(12.0, 2.0)
    assert service.delivery_ratio == 0.5
    assert service.p99_s == pytest.approx(2.0)
    assert service.published == 0


def test_a_message_is_not_missing_before_it_had_time_to_arrive() -> None:
    ledger = one_channel()
    ledger.due(0, 10.0)
    assert ledger.measure(10.0 + SETTLE_S / 2, 2.0).due == 0


def test_what_began_before_the_mark_counts_nothing() -> None:
    ledger = one_channel()
    ledger.due(0, 10.0)
    ledger.attempt(10.0, 12.0, worked=False)
    ledger.closed(10.0, 1006)
    ledger.error(10.0, "old")
    service = ledger.measure(12.0, 5.0, since=11.0)
    assert (service.due, service.connects_failed, service.unexpected_closes, service.errors) == (0, 0, 0, ())


def test_a_second_arrival_at_the_same_subscriber_counts_nothing() -> None:
    ledger = one_channel()
    number = ledger.due(0, 10.0)
    ledger.arrived(0, number, 0, 10.1)
    ledger.arrived(0, number, 0, 10.9)
    service = ledger.measure(11.0, 2.0)
    assert service.delivered == 1


def test_closes_are_counted_by_code_and_errors_are_told_once() -> None:
    ledger = one_channel()
    for moment, code in ((10.0, 1006), (10.1, 4008), (10.2, 1006)):
        ledger.closed(moment, code)
        ledger.error(moment, "gone")
    service = ledger.measure(11.0, 2.0)
    assert service.close_codes == ((1006, 2), (4008, 1))
    assert service.unexpected_closes == 3
    assert service.errors == ("gone",)


def test_the_ledger_forgets_what_is_older_than_its_horizon_and_late_news_of_it() -> None:
    ledger = one_channel()
    old = ledger.due(0, 0.0)
    ledger.attempt(0.0, 1.0, worked=True)
    ledger.closed(0.0, 1006)
    later = HORIZON_S + 5.0
    new = ledger.due(0, later)
    ledger.attempt(later, later, worked=True)
    ledger.closed(later, 1000)
    ledger.arrived(0, old, 0, later)
    ledger.taken(0, old)
    assert new == old + 1
    assert ledger.stale(0, old, later - 1)
    assert not ledger.stale(0, new, later - 1)
    service = ledger.measure(later + 1, 1000.0)
    assert (service.published_due, service.connects_ok, service.unexpected_closes) == (1, 1, 1)


@given(
    messages=st.lists(st.tuples(st.floats(0, 50), st.sets(st.integers(0, 3)), st.booleans()), max_size=30),
    window=st.floats(0.1, 60),
    since=st.floats(0, 60),
)
def test_the_measure_never_delivers_more_than_was_due(
    messages: list[tuple[float, set[int], bool]], window: float, since: float
) -> None:
    ledger = Ledger([4], 5)
    for moment, readers, taken in sorted(messages, key=lambda one: one[0]):
        number = ledger.due(0, moment)
        if taken:
            ledger.taken(0, number)
        for reader in readers:
            ledger.arrived(0, number, reader, moment + 0.01)
    service = ledger.measure(51.0, window, since)
    assert 0 <= service.delivered <= service.due == 4 * service.published_due
    assert 0 <= service.published <= service.published_due
    assert 0 <= service.p50_s <= service.p99_s
    assert 0 <= service.delivery_ratio <= 1


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_has_its_share_below(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_nothing_measured_is_not_a_failure() -> None:
    service = Service()
    assert (service.delivery_ratio, service.connect_ratio) == (1.0, 1.0)
    assert percentile([], 0.99) == 0.0


@given(st.integers(1, 9), st.integers(0, 50))
def test_subscribers_are_dealt_out_evenly_over_the_channels(channels: int, subscribers: int) -> None:
    dealt = audience(Workload(channels=channels, subscribers=subscribers))
    assert sum(dealt) == subscribers
    assert max(dealt) - min(dealt) <= 1
    assert dealt == [sum(number % channels == channel for number in range(subscribers)) for channel in range(channels)]
