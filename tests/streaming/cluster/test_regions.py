"""Two regions on real servers: the same positions in both, a home that moves, a home that is lost, and what it hid."""

import asyncio

import pytest
from cluster.natslab import eventually
from cluster.twolab import BOTH, LIMITS
from contracts.broker import ask, fill

from plumbline.streaming.cluster import regions
from plumbline.streaming.cluster.regions import RegionError, follow, promote, states
from plumbline.streaming.cluster.salvage import lines
from plumbline.streaming.core.broker import BrokerError


def test_both_regions_have_the_same_positions_and_each_hears_its_own_copy(scene):
    async def test(both):
        (home, at_home), (mirror, at_mirror) = await both.broker("a"), await both.broker("b")
        await ask(home.attach, "c")

        async def same():
            return await ask(mirror.attach, "c") == await ask(home.attach, "c")

        await eventually(same)
        there = await fill(mirror, "c", 3)  # goes to home, and comes back by the mirror
        here = await fill(home, "c", 2, first=3)
        assert [position.offset for position in (*there, *here)] == [1, 2, 3, 4, 5]
        for receiver in (at_home, at_mirror):
            await receiver.until(lambda: len(receiver.of("c")) == 5)  # noqa: B023 - awaited in this turn
            assert receiver.of("c") == [(position, b"%d" % n) for n, position in enumerate((*there, *here))]
        past = await ask(mirror.past, "c", there[1], 100)
        assert past.recovered
        assert [entry.offset for entry in past.entries] == [3, 4, 5]
        assert past.position == here[-1]

    scene(test)


def test_a_dead_home_shows_in_how_long_ago_it_was_heard_and_not_in_the_lag(scene):
    async def test(both):
        broker, _ = await both.broker("a")
        await fill(broker, "c", 5)
        await both.level()
        both.a.kill()
        first = (await states(both.at_b, BOTH))[1]

        async def older():
            return (await states(both.at_b, BOTH))[1].active_s > first.active_s + 0.5

        await eventually(older)
        home, mirror = await states(both.at_b, BOTH)
        assert (home.role, mirror.role, mirror.lag) == ("unreachable", "mirror", 0)

    scene(test)


def test_while_home_is_gone_the_mirror_is_read_and_publishing_fails_in_words(scene):
    async def test(both):
        home, _ = await both.broker("a")
        mirror, receiver = await both.broker("b")
        known = (await fill(home, "c", 4))[1]
        await both.level()
        both.a.kill()
        past = await ask(mirror.past, "c", known, 10)
        assert [entry.offset for entry in past.entries] == [3, 4]
        assert (await ask(mirror.attach, "c")).offset == 4
        with pytest.raises(BrokerError) as failed:
            await ask(mirror.publish, "c", b"1", None)
        assert failed.value.code == "unavailable"
        assert not receiver.interruptions

    scene(test)


def test_home_moves_with_nothing_lost_and_back_again(scene):
    async def test(both):
        (first, at_a), (second, at_b) = await both.broker("a"), await both.broker("b")
        before = await fill(first, "c", 3)
        await promote(both.at_b, "b", lost=False)
        assert await both.roles(both.at_b) == ["overtaken", "home"]
        await at_b.until(lambda: at_b.interruptions)
        after = await ask(second.publish, "c", b"3", None)
        assert after.offset == 4
        assert after.epoch == before[0].epoch
        await at_a.until(lambda: at_a.interruptions)
        with pytest.raises(BrokerError, match="overtaken"):
            await ask(first.publish, "c", b"4", None)
        with pytest.raises(BrokerError, match="overtaken"):
            await ask(first.past, "c", before[0], 10)
        await follow(both.at_b, "a", "b")
        assert await both.roles(both.at_b) == ["mirror", "home"]
        await eventually(lambda: first.fenced is None)
        past = await ask(first.past, "c", before[0], 10)
        assert [entry.offset for entry in past.entries] == [2, 3, 4]
        assert (await ask(first.publish, "c", b"4", None)).offset == 5
        await promote(both.at_a, "a", lost=False)  # back
        await follow(both.at_a, "b", "a")
        assert await both.roles(both.at_a) == ["home", "mirror"]
        states_now = await states(both.at_a, BOTH)
        assert [(state.term, state.generation) for state in states_now] == [(3, 1), (3, 1)]

    scene(test)


def test_every_acknowledged_message_of_a_lost_home_is_in_the_other_region_or_is_told_and_salvaged(scene):
    async def test(both):
        home, _ = await both.broker("a")
        mirror, at_mirror = await both.broker("b")
        await fill(home, "c", 1)
        await both.level()
        acknowledged, failures = {}, []
        under_way, over = asyncio.Event(), asyncio.Event()

        def note(number, told):
            if isinstance(told, BrokerError):
                failures.append(told)
            else:
                acknowledged[told.offset] = number
                if len(acknowledged) == 400:
                    under_way.set()
            if len(acknowledged) + len(failures) == 5000:
                over.set()

        async def load():
            for number in range(5000):
                home.publish("c", b"%d" % number, None, lambda told, number=number: note(number, told))
                if number % 20 == 0:
                    await asyncio.sleep(0)
            await over.wait()

        task = asyncio.ensure_future(load())
        await under_way.wait()
        both.a.kill()  # in the middle of it
        known = (await ask(mirror.past, "c", None, 1)).position
        await eventually(lambda: home.link.up is False)
        with pytest.raises(RegionError, match="does not answer"):
            await promote(both.at_b, "b", lost=False)
        await promote(both.at_b, "b", lost=True)
        await at_mirror.until(lambda: at_mirror.interruptions)
        past = await ask(mirror.past, "c", known, 10_000)
        assert not past.recovered  # said, not silent: acknowledged messages may be missing
        assert past.position.epoch != known.epoch
        head = (await ask(mirror.head, "c")).offset
        await ask(mirror.publish, "c", b'"new"', None)
        await task
        await asyncio.to_thread(both.a.start)
        await both.joined()
        kept = []
        await follow(both.at_b, "a", "b", keep=kept)
        entries = (await ask(mirror.past, "c", None, 10_000)).entries
        surviving = {entry.offset: int(entry.data) for entry in entries if entry.offset <= head}
        hidden = {one.offset: int(one.data) for one in kept}
        together = surviving | hidden
        assert set(surviving) & set(hidden) == set()
        assert {offset: together[offset] for offset in acknowledged} == acknowledged  # each is somewhere, where it was
        assert len(lines(kept).splitlines()) == len(kept)
        await eventually(lambda: home.fenced is None)
        assert (await ask(home.publish, "c", b"1", None)).offset == head + 2

    scene(test)


def test_an_overtaken_home_with_more_to_give_is_not_replaced_without_a_word(scene):
    async def test(both):
        broker, _ = await both.broker("a")
        await fill(broker, "c", 2)
        await both.level()
        both.b.kill()  # the link is cut: home goes on alone
        hidden = await fill(broker, "c", 3, first=2)
        await broker.stop()
        both.a.kill()
        await asyncio.to_thread(both.b.start)

        await both.mirrored()
        await promote(both.at_b, "b", lost=True)
        await asyncio.to_thread(both.a.start)
        await both.joined()
        with pytest.raises(RegionError, match="holds 3 acknowledged messages that b never got"):
            await follow(both.at_b, "a", "b")
        kept = []
        await follow(both.at_b, "a", "b", keep=kept)
        assert [(one.channel, one.epoch, one.offset, one.data) for one in kept] == [
            ("c", position.epoch, position.offset, b"%d" % number) for number, position in enumerate(hidden, 2)
        ]

    scene(test)


def test_what_cannot_be_done_to_a_region_is_said_in_a_sentence(scene):
    async def test(both):
        for work, words in (
            (regions.create(both.at_a, "a", LIMITS), "has a stream already"),
            (regions.create(both.at_a, "nowhere", LIMITS), "does not answer"),
            (promote(both.at_a, "a", lost=False), "is no mirror"),
            (promote(both.at_b, "b", lost=True), "so it is not lost"),
            (follow(both.at_a, "a", "b"), "region b is not home"),
            (follow(both.at_a, "nowhere", "a"), "does not answer"),
        ):
            with pytest.raises(RegionError, match=words):
                await work
        assert (await follow(both.at_b, "b", "a")).mirror  # it is already: nothing changes
        assert await both.roles(both.at_a) == ["home", "mirror"]

    scene(test)
