"""What every broker must keep. A test module subclasses `BrokerContract` and says how its broker is opened.

    class TestLocalBroker(BrokerContract):
        @contextlib.asynccontextmanager
        async def open(self, settings, receiver):
            ...
            yield Opened(broker)

A broker gives its answers at once or later: everything here waits for an event, never for a time.
"""

import asyncio

import pytest
from contracts.asking import PATIENCE_S, SETTINGS, Opened, Recorder, ask, fill, scenario

from plumbline.streaming.core.broker import BrokerError, Entry, Member, Position
from plumbline.streaming.core.tracing import Traced, trace_of

__all__ = ["SETTINGS", "BrokerContract", "Opened", "Recorder", "ask", "fill"]
MANY = 300


class BrokerContract:
    """One test per promise."""

    def open(self, settings, receiver):
        """Return an async context manager that gives an `Opened`, started with this receiver and these bounds."""
        raise NotImplementedError

    @scenario
    async def test_offsets_count_from_one_without_a_hole(self, opened):
        before = await ask(opened.broker.head, "a")
        positions = await fill(opened.broker, "a", 4)
        assert before.offset == 0
        assert [position.offset for position in positions] == [1, 2, 3, 4]
        assert {position.epoch for position in positions} == {before.epoch}
        assert await ask(opened.broker.head, "a") == positions[-1]

    @scenario
    async def test_after_attaching_every_message_arrives_once_and_in_order(self, opened):
        await fill(opened.broker, "a", 3)
        attached = await ask(opened.broker.attach, "a")
        assert attached.offset == 3
        answers = asyncio.Queue()
        for number in range(MANY):  # all at once: nothing waits for an answer
            opened.broker.publish("a", b"%d" % number, None, answers.put_nowait)
        async with asyncio.timeout(PATIENCE_S):
            told = [await answers.get() for _ in range(MANY)]
        assert [position.offset for position in told] == list(range(4, 4 + MANY))
        await opened.receiver.until(lambda: len(opened.receiver.of("a")) >= MANY)
        assert opened.receiver.offsets("a") == list(range(4, 4 + MANY))
        assert [data for _, data in opened.receiver.of("a")] == [b"%d" % number for number in range(MANY)]
        assert {position.epoch for position, _ in opened.receiver.of("a")} == {attached.epoch}

    @scenario
    async def test_channels_do_not_mix(self, opened):
        await ask(opened.broker.attach, "a")
        await fill(opened.broker, "b", 2)
        await fill(opened.broker, "a", 1)
        await opened.receiver.until(lambda: opened.receiver.of("a"))
        assert set(opened.receiver.messages) == {"a"}
        assert opened.receiver.offsets("a") == [1]

    @scenario
    async def test_names_are_kept_apart_whatever_they_hold(self, opened):
        names = ["a.b", "a.>", "*", "a", "A", "ä/ö", "$presence:a", "x" * 200]
        for name in names:
            await ask(opened.broker.attach, name)
        for name in names:
            await ask(opened.broker.publish, name, b'"%b"' % name.encode(), None)
        await opened.receiver.until(lambda: set(opened.receiver.messages) == set(names))
        assert all([data for _, data in opened.receiver.of(name)] == [b'"%b"' % name.encode()] for name in names)

    @scenario
    async def test_after_detaching_nothing_arrives(self, opened):
        await ask(opened.broker.attach, "a")
        await ask(opened.broker.attach, "b")
        await fill(opened.broker, "a", 1)
        await opened.receiver.until(lambda: opened.receiver.of("a"))
        opened.broker.detach("a")
        await fill(opened.broker, "a", 1)
        await fill(opened.broker, "b", 1)
        await opened.receiver.until(lambda: opened.receiver.of("b"))
        assert opened.receiver.offsets("a") == [1]

    @scenario
    async def test_attached_again_it_goes_on_from_the_head(self, opened):
        await ask(opened.broker.attach, "a")
        opened.broker.detach("a")
        await fill(opened.broker, "a", 2)
        assert (await ask(opened.broker.attach, "a")).offset == 2
        await fill(opened.broker, "a", 1)
        await opened.receiver.until(lambda: opened.receiver.of("a"))
        assert opened.receiver.offsets("a") == [3]

    @scenario
    async def test_the_past_after_a_position_is_whole(self, opened):
        positions = await fill(opened.broker, "a", 5)
        past = await ask(opened.broker.past, "a", positions[1], 100)
        assert past.recovered
        assert past.position == positions[-1]
        assert past.entries == (Entry(3, b"2"), Entry(4, b"3"), Entry(5, b"4"))

    @scenario
    async def test_the_past_after_the_head_is_empty_and_whole(self, opened):
        positions = await fill(opened.broker, "a", 2)
        past = await ask(opened.broker.past, "a", positions[-1], 100)
        assert (past.recovered, past.entries, past.position) == (True, (), positions[-1])

    @scenario
    async def test_a_channel_without_messages_has_an_empty_past(self, opened):
        head = await ask(opened.broker.head, "a")
        past = await ask(opened.broker.past, "a", head, 10)
        assert (past.recovered, past.entries) == (True, ())
        newest = await ask(opened.broker.past, "a", None, 10)
        assert (newest.position, newest.entries) == (head, ())

    @scenario
    async def test_the_newest_are_the_last_ones_oldest_first(self, opened):
        positions = await fill(opened.broker, "a", 4)
        past = await ask(opened.broker.past, "a", None, 2)
        assert past.position == positions[-1]
        assert past.entries == (Entry(3, b"2"), Entry(4, b"3"))

    @scenario
    async def test_a_part_of_the_past_begins_behind_the_position_and_says_where_the_head_is(self, opened):
        positions = await fill(opened.broker, "a", 4)
        first = await ask(opened.broker.past, "a", positions[0], 2, part=True)
        assert (first.recovered, first.position, first.entries) == (
            True,
            positions[-1],
            (Entry(2, b"1"), Entry(3, b"2")),
        )
        rest = await ask(opened.broker.past, "a", positions[2], 2, part=True)
        assert (rest.recovered, rest.position, rest.entries) == (True, positions[-1], (Entry(4, b"3"),))
        await fill(opened.broker, "a", 5)  # the history that is kept ends behind the first position
        assert not (await ask(opened.broker.past, "a", positions[0], 2, part=True)).recovered

    @scenario
    async def test_a_trace_stays_with_its_message(self, opened):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        await ask(opened.broker.attach, "a")
        answers = asyncio.Queue()
        for data in (b"1", Traced.of(b"2", trace), b"3", Traced.of(b"4", trace)):
            opened.broker.publish("a", data, None, answers.put_nowait)
        async with asyncio.timeout(PATIENCE_S):
            told = [await answers.get() for _ in range(4)]
        await opened.receiver.until(lambda: len(opened.receiver.of("a")) == 4)
        assert [(data, trace_of(data)) for _, data in opened.receiver.of("a")] == [
            (b"1", None),
            (b"2", trace),
            (b"3", None),
            (b"4", trace),
        ]
        past = await ask(opened.broker.past, "a", told[0], 10)
        assert [trace_of(entry.data) for entry in past.entries] == [trace, None, trace]

    @scenario
    async def test_the_past_is_never_partial(self, opened):
        positions = await fill(opened.broker, "a", 8)  # five are kept
        out_of_reach = await ask(opened.broker.past, "a", positions[1], 100)
        assert (out_of_reach.recovered, out_of_reach.entries) == (False, ())
        assert out_of_reach.position == positions[-1]
        too_many = await ask(opened.broker.past, "a", positions[3], 3)
        assert (too_many.recovered, too_many.entries) == (False, ())
        enough = await ask(opened.broker.past, "a", positions[3], 4)
        assert enough.recovered
        assert [entry.offset for entry in enough.entries] == [5, 6, 7, 8]

    @scenario
    async def test_a_strange_position_is_not_recovered(self, opened):
        positions = await fill(opened.broker, "a", 2)
        for strange in (Position("no-such-epoch", 1), Position(positions[0].epoch, 9)):
            past = await ask(opened.broker.past, "a", strange, 100)
            assert (past.recovered, past.entries, past.position) == (False, (), positions[-1])

    @scenario
    async def test_past_and_live_together_make_the_whole_stream(self, opened):
        """What a client does: it knows a position, attaches, asks for the past, and goes on live."""
        known = (await fill(opened.broker, "a", 2))[0]
        attached = await ask(opened.broker.attach, "a")
        await fill(opened.broker, "a", 2, first=2)
        past = await ask(opened.broker.past, "a", known, 100)
        await fill(opened.broker, "a", 1, first=4)
        await opened.receiver.until(lambda: 5 in opened.receiver.offsets("a"))
        assert past.recovered
        assert attached.offset == 2
        seen = [entry.offset for entry in past.entries]
        seen += [offset for offset in opened.receiver.offsets("a") if offset > past.position.offset]
        assert seen == [2, 3, 4, 5]

    @scenario
    async def test_the_same_key_is_stored_once(self, opened):
        await ask(opened.broker.attach, "a")
        first = await ask(opened.broker.publish, "a", b"1", "k")
        again = await ask(opened.broker.publish, "a", b"1", "k")
        other = await ask(opened.broker.publish, "a", b"2", "l")
        assert again == first
        assert other.offset == first.offset + 1
        await opened.receiver.until(lambda: len(opened.receiver.of("a")) >= 2)
        assert [data for _, data in opened.receiver.of("a")] == [b"1", b"2"]

    @scenario
    async def test_the_same_key_in_another_channel_is_another_message(self, opened):
        await ask(opened.broker.publish, "a", b"1", "k")
        await ask(opened.broker.publish, "b", b"1", "k")
        assert (await ask(opened.broker.head, "b")).offset == 1

    @scenario
    async def test_data_comes_back_byte_by_byte(self, opened):
        data = '{"ä":[1,2.5,null,"\\u0000 𝄞"]}'.encode()
        await ask(opened.broker.attach, "a")
        await ask(opened.broker.publish, "a", data, None)
        await opened.receiver.until(lambda: opened.receiver.of("a"))
        assert opened.receiver.of("a")[0][1] == data
        assert (await ask(opened.broker.past, "a", None, 1)).entries[0].data == data

    @scenario
    async def test_members_are_named_longest_first_until_they_leave(self, opened):
        late, early = Member("c2", None, 20.0), Member("c1", "ann", 10.0)
        opened.broker.join("a", late)
        opened.broker.join("a", early)
        opened.broker.join("a", late)  # again, as it must be
        opened.broker.join("b", late)
        assert await ask(opened.broker.members, "a") == (early, late)
        opened.broker.leave("a", "c1")
        opened.broker.leave("a", "never-there")
        assert await ask(opened.broker.members, "a") == (late,)
        assert await ask(opened.broker.members, "b") == (late,)
        assert await ask(opened.broker.members, "nobody-there") == ()

    @scenario
    async def test_a_channel_that_starts_again_has_another_epoch(self, opened):
        if opened.renew is None:
            pytest.skip("nothing makes this broker's channels start again")
        before = (await fill(opened.broker, "a", 2))[-1]
        await opened.renew("a")
        after = await ask(opened.broker.head, "a")
        assert after.epoch != before.epoch
        assert not (await ask(opened.broker.past, "a", before, 100)).recovered

    @scenario
    async def test_an_interruption_is_said_and_attaching_anew_goes_on_without_a_hole(self, opened):
        if opened.interrupt is None:
            pytest.skip("nothing interrupts this broker")
        await ask(opened.broker.attach, "a")
        await fill(opened.broker, "a", 2)
        await opened.receiver.until(lambda: len(opened.receiver.of("a")) == 2)
        known = opened.receiver.of("a")[-1][0]
        await opened.interrupt()
        await opened.receiver.until(lambda: any(channel in (None, "a") for channel, _ in opened.receiver.interruptions))
        attached = await ask(opened.broker.attach, "a")
        past = await ask(opened.broker.past, "a", known, 100)
        assert past.recovered or attached.epoch != known.epoch
        count = len(opened.receiver.of("a"))
        await fill(opened.broker, "a", 1)
        await opened.receiver.until(lambda: len(opened.receiver.of("a")) > count)
        assert opened.receiver.of("a")[-1][0].offset == attached.offset + 1

    @scenario
    async def test_stopped_it_answers_that_it_is_unavailable_or_not_at_all_late(self, opened):
        await ask(opened.broker.attach, "a")
        await opened.broker.stop()
        answers = []
        opened.broker.publish("a", b"1", None, answers.append)
        assert not opened.receiver.of("a")
        assert all(isinstance(told, BrokerError) and told.code == "unavailable" for told in answers)
        assert len(answers) == 1
