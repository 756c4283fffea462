"""Histograms against distributions whose percentiles are known."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.load.latency import Histogram, Recorder, condense, peaks, quantile

WITHIN = 2e-3  # three significant figures, and one step of rounding


def histogram_of(values):
    histogram = Histogram()
    histogram.add(*condense(values))
    return histogram


def test_percentiles_of_a_uniform_distribution_are_its_own():
    histogram = histogram_of(range(1, 100_001))
    for percentile in (50, 90, 99, 99.9, 100):
        assert histogram.at(percentile) == pytest.approx(percentile / 100 * 0.1, rel=WITHIN)


def test_percentiles_of_an_exponential_distribution_are_those_of_its_quantile_function():
    count, mean_us = 100_000, 20_000
    values = [round(-mean_us * math.log(1 - (number + 0.5) / count)) for number in range(count)]
    random.Random(1).shuffle(values)
    histogram = histogram_of(values)
    for percentile in (50, 90, 99, 99.9):
        expected = -mean_us * math.log(1 - percentile / 100) / 1e6
        assert histogram.at(percentile) == pytest.approx(expected, rel=WITHIN)


@given(st.lists(st.integers(0, 3_600_000_000), min_size=1, max_size=200))
def test_condensing_loses_no_count_and_at_most_a_thousandth(values):
    steps, counts = condense(values)
    assert sum(counts) == len(values)
    rebuilt = [step for step, count in zip(steps, counts, strict=True) for _ in range(count)]
    assert all(exact * 0.999 - 1 <= step <= exact for step, exact in zip(rebuilt, sorted(values), strict=True))


def test_histograms_of_several_processes_add_up_to_the_one_of_all_values():
    values = [random.Random(2).randrange(1, 10**6) for _ in range(5000)]
    parts = Histogram()
    for part in range(4):
        parts.add(*condense(values[part::4]))
    assert parts.summary() == histogram_of(values).summary()


def test_an_empty_histogram_claims_no_percentile():
    assert Histogram().summary() == {"count": 0}
    assert Histogram().curve() == []
    assert Histogram().at(99) == 0.0


def test_the_curve_stops_where_there_are_too_few_values_to_say_more():
    said = [percentile for percentile, _ in histogram_of(range(1, 101)).curve()]
    assert said[-2:] == [99.0, 100.0]


def test_a_recorder_gives_each_series_once():
    recorder = Recorder()
    recorder.note(0, "ack", 5)
    recorder.note(0, "ack", 5)
    recorder.note(1, "ack", 7)
    assert recorder.take() == [(0, "ack", [5], [2]), (1, "ack", [7], [1])]
    assert recorder.take() == []


def test_quantiles_of_counts_are_those_of_the_values():
    assert quantile({1_000_000: 98, 5_000_000: 2}, 0.5) == 1.0
    assert quantile({1_000_000: 98, 5_000_000: 2}, 0.99) == 5.0
    assert quantile({}, 0.5) == 0.0


@given(st.lists(st.lists(st.integers(1, 1000), min_size=2, max_size=20), min_size=1, max_size=8), st.data())
def test_a_message_is_complete_with_its_last_delivery_however_the_seconds_cut_the_series(messages, data):
    # The next message begins with a smaller latency than the last one of the message before.
    series = [value for message in messages for value in [0, *sorted(message)]]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(series)), max_size=4)))
    found, before = [], -1
    for start, end in zip([0, *cuts], [*cuts, len(series)], strict=True):
        done, before = peaks(series[start:end], before)
        found += done
    assert [*found, before] == [max(message) for message in messages]
