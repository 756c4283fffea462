"""The in-process broker keeps the contract, and its bounds."""

import asyncio
import contextlib

import pytest
from contracts.broker import BrokerContract, Opened, Recorder, ask
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming import Settings
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.history import CHANNEL_BYTES, MESSAGE_BYTES, Bounds, History
from plumbline.streaming.core.idempotency import Keys
from plumbline.streaming.core.local import LocalBroker


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class TestLocalBroker(BrokerContract):
    @contextlib.asynccontextmanager
    async def open(self, settings, receiver):
        broker = LocalBroker(settings, "e", Clock())
        await broker.start(receiver)

        async def renew(channel):
            broker.detach(channel)
            broker.configure(settings.changed({"max_channels": 1}))
            await ask(broker.head, "another")
            broker.configure(settings)

        yield Opened(broker, renew=renew)
        await broker.stop()


def opened(clock=None, **settings):
    broker = LocalBroker(Settings(**settings), "e", clock or Clock())
    asyncio.run(broker.start(Recorder.__new__(Recorder)))
    return broker


def told(method, *args):
    answers = []
    method(*args, answers.append)
    return answers[0]


def test_all_histories_together_are_bounded_and_the_quietest_channel_pays():
    room = 2 * (CHANNEL_BYTES + 8 * (4096 + MESSAGE_BYTES))
    broker = opened(history_total_bytes=room, history_bytes=40000, history_messages=1000)
    for channel in ("quiet", "loud"):
        for _ in range(8):
            told(broker.publish, channel, b"x" * 4096, None)
    assert broker.history_bytes == room
    told(broker.publish, "loud", b"x" * 4096, None)
    assert broker.history_bytes == room
    assert len(told(broker.past, "quiet", None, 100).entries) == 7
    assert len(told(broker.past, "loud", None, 100).entries) == 9
    broker.configure(Settings(history_total_bytes=65536, history_messages=0))
    assert broker.history_bytes == 0
    assert told(broker.past, "loud", None, 100).entries == ()


def test_a_channel_that_is_full_and_published_to_is_not_the_quietest():
    """Its size stays the same: each message takes the place of one as long."""
    one = CHANNEL_BYTES + 40 * (4096 + MESSAGE_BYTES)
    broker = opened(history_total_bytes=2 * one, history_bytes=40 * 4096, history_messages=40)
    for channel in ["loud"] * 40 + ["quiet"] * 40 + ["loud"]:
        told(broker.publish, channel, b"x" * 4096, None)
    told(broker.publish, "third", b"x" * 4096, None)
    assert len(told(broker.past, "loud", None, 100).entries) == 40
    assert len(told(broker.past, "quiet", None, 100).entries) == 38


def test_a_forgotten_channel_takes_its_history_along():
    broker = opened(max_channels=2)
    for channel in ("a", "b", "c"):
        told(broker.publish, channel, b"12345", None)
    assert len(broker) == 2
    assert broker.history_bytes == 2 * (CHANNEL_BYTES + MESSAGE_BYTES + 5)
    assert told(broker.head, "a").offset == 0


def test_a_key_is_known_for_its_window_only():
    clock = Clock()
    broker = opened(clock, idempotency_s=10)
    assert told(broker.publish, "a", b"1", "k").offset == 1
    clock.now = 10
    assert told(broker.publish, "a", b"1", "k").offset == 1
    clock.now = 10.1
    assert told(broker.publish, "a", b"1", "k").offset == 2


def test_a_member_that_is_not_named_again_is_gone():
    from plumbline.streaming.core.broker import Member

    clock = Clock()
    broker = opened(clock, presence_refresh_s=10)
    broker.join("a", Member("c1", None, 1))
    clock.now = 20
    broker.join("a", Member("c2", None, 2))
    clock.now = 31
    assert [member.client for member in told(broker.members, "a")] == ["c2"]
    clock.now = 60
    assert told(broker.members, "a") == ()


@given(st.integers(1, 20), st.lists(st.tuples(st.text("ab", min_size=1, max_size=2), st.floats(0, 5))))
def test_keys_are_bounded_and_those_within_the_window_are_known(most, steps):
    keys, now, model = Keys(10, most), 0.0, {}
    for offset, (key, later) in enumerate(steps):
        now += later
        known = keys.find("c", key, now)
        at = model.get(key)
        assert known is None or (at is not None and now - at[0] <= 10 and known.offset == at[1])
        if known is None:
            keys.add("c", key, Position("e", offset), now)
            model[key] = (now, offset)
        assert len(keys) <= most
        assert keys.find("c", key, now) is not None


@given(
    st.integers(0, 6),
    st.integers(1, 40),
    st.floats(1, 20),
    st.lists(st.tuples(st.integers(1, 15), st.floats(0, 8)), max_size=30),
)
def test_history_holds_a_run_that_ends_with_the_head_within_all_three_bounds(messages, size, seconds, steps):
    bounds = Bounds(messages, size, seconds)
    history, now, all_of_it = History("e"), 0.0, []
    for length, later in steps:
        now += later
        position = history.append(b"x" * length, bounds, now)
        all_of_it.append((position.offset, length, now))
        assert position == Position("e", len(all_of_it))
        kept = history.past(None, 1000, bounds, now).entries
        assert [entry.offset for entry in kept] == [offset for offset, _, _ in all_of_it[len(all_of_it) - len(kept) :]]
        assert len(kept) <= messages
        assert sum(len(entry.data) for entry in kept) == history.size <= size
        assert all(now - all_of_it[entry.offset - 1][2] <= seconds for entry in kept)
        for since in range(position.offset + 2):
            past = history.past(Position("e", since), 4, bounds, now)
            missed = position.offset - since
            assert past.recovered == (0 <= missed <= min(4, len(kept)))
            assert [entry.offset for entry in past.entries] == (
                list(range(since + 1, position.offset + 1)) if past.recovered else []
            )


def test_channels_without_history_still_count():
    history, bounds = History("e"), Bounds(0, 100, 10)
    assert history.append(b"1", bounds, 0) == Position("e", 1)
    assert history.drop_oldest() == 0
    assert history.past(Position("e", 0), 10, bounds, 0).recovered is False
    assert history.past(Position("e", 1), 10, bounds, 0).recovered is True


@pytest.mark.parametrize("attached", [True, False])
def test_started_again_it_knows_what_it_kept(attached):
    async def main():
        broker, receiver = LocalBroker(Settings(), "e", Clock()), Recorder()
        await broker.start(receiver)
        if attached:
            await ask(broker.attach, "a")
        position = await ask(broker.publish, "a", b"1", None)
        await broker.stop()
        await broker.start(receiver)
        assert await ask(broker.head, "a") == position
        assert len(receiver.of("a")) == attached
        await ask(broker.publish, "a", b"2", None)
        assert len(receiver.of("a")) == attached, "a stop detaches"

    asyncio.run(main())
