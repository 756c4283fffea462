"""What the in-process broker says its kept messages take is what they take: compared with Python's own account."""

import asyncio
import gc
import itertools
import tracemalloc

import pytest
from contracts.broker import Recorder

from plumbline.streaming.core.jsontext import encode_read
from plumbline.streaming.core.local import LocalBroker
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.core.tracing import Traced

TOLERANCE = 0.25
"""tracemalloc counts what was asked for, the broker what the allocator gives: sixteen bytes at a time."""
ALL = {"history_messages": 1_000_000, "history_bytes": 1 << 30, "history_total_bytes": 1 << 40}
TRACE = "00-%032x-%016x-01"


def opened(**settings):
    broker = LocalBroker(Settings(**settings), "e", itertools.count(1000.5).__next__)
    asyncio.run(broker.start(Recorder.__new__(Recorder)))
    return broker


def published(size, numbers, channels, *, traced=False):
    """Publish as the gateway does, each message read from JSON text."""
    broker = opened(**ALL)
    gc.collect()
    tracemalloc.start()
    try:
        for number in numbers:
            data = encode_read("x" * (size - 2))
            trace = TRACE % (number + 1, number + 1) if traced else None
            broker.publish(f"orders.{number % channels:09d}", Traced.of(data, trace), None, lambda _: None)
        gc.collect()
        return broker.history_bytes, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [16, 128, 2048, 32768])
@pytest.mark.parametrize("each", [1, 4, 1024])
def test_what_is_counted_is_what_python_holds(size, each):
    counted, held = published(size, range(1024), 1024 // each)
    assert counted == pytest.approx(held, rel=TOLERANCE)


def test_a_message_that_knows_its_trace_is_counted_with_it():
    counted, held = published(128, range(512), 8, traced=True)
    assert counted == pytest.approx(held, rel=TOLERANCE)


def test_the_bound_is_one_of_memory():
    """Messages of 16 bytes, ten times as many as the bound has room for: Python holds no more than it says."""
    room = 1 << 18
    broker = opened(history_messages=4, history_total_bytes=room, max_channels=200)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(10_000):
            broker.publish(f"orders.{number}", encode_read("x" * 14), None, lambda _: None)
        gc.collect()
        assert broker.history_bytes <= room
        assert tracemalloc.get_traced_memory()[0] <= room * (1 + TOLERANCE)
    finally:
        tracemalloc.stop()
