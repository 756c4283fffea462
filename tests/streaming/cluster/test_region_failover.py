"""Clients of a region that dies under load go on in the other one: by position, nothing twice, and a gap is stated."""

import asyncio
import contextlib

import pytest
from cluster.regionlab import World, eventually

from plumbline.streaming.cluster import regions
from plumbline.streaming.core.broker import Position


@pytest.fixture
def world(nats, tmp_path):
    """Return a function that runs an async test with two regions, their gateways and clients of both."""

    def run(test):
        async def main():
            async with contextlib.AsyncExitStack() as stack:
                both = World(tmp_path, nats, stack)
                await both.begin()
                await test(both)

        asyncio.run(main())

    return run


async def nothing_is_missing(both):
    """Hold every reader against the ledger: one epoch, each message once, in order, no gap."""
    await both.quiet()
    for one in both.readers:
        epoch = (await both.head(one.channel)).epoch
        heard = one.of(epoch)
        assert not one.gaps
        assert len(one.messages) == len(heard)
        published = [data for data in heard.values() if data != "begin"]
        assert len(set(published)) == len(published)  # nothing was stored twice
        acknowledged = both.ledger(one.channel, epoch)
        assert {offset: heard[offset] for offset in acknowledged} == acknowledged
    assert not any(client.counts.gaps for client in both.clients)


def test_a_gateway_dies_under_load_and_its_clients_go_on_in_the_other_region(world):
    async def test(both):
        await both.load()
        both.gate_a.kill()
        await both.over_there()
        await both.more(40)
        await nothing_is_missing(both)
        assert all(client.counts.connected >= 2 for client in both.clients)

    world(test)


def test_a_server_dies_under_load_its_gateway_sends_the_clients_away_and_after_its_return_nothing_is_missing(world):
    async def test(both):
        await both.load()
        both.a.kill()
        await both.over_there()
        assert "region gone" in both.gate_a.log
        await asyncio.to_thread(both.a.start)
        await both.more(40)
        await nothing_is_missing(both)
        await eventually(lambda: "region back" in both.gate_a.log)

    world(test)


def test_a_region_dies_under_load_and_what_it_hides_is_stated_to_the_message_and_salvaged_when_it_returns(world):
    async def test(both):
        await both.load()
        both.a.kill()
        both.gate_a.kill()
        await both.over_there()
        mirrored = {channel: await both.head(channel) for channel in both.channels}

        def level():
            return all(one.last.offset >= mirrored[one.channel].offset for one in both.readers)

        await eventually(level, "all readers as far as region b has it")
        await regions.promote(both.at_b, "b", lost=True)
        await both.more(40)
        await both.quiet()
        await asyncio.to_thread(both.a.start)
        await both.joined()
        hidden = []
        await regions.follow(both.at_b, "a", "b", keep=hidden)
        for channel, head in mirrored.items():
            old = both.ledger(channel, head.epoch)
            kept = {one.offset: one.data.decode().strip('"') for one in hidden if one.channel == channel}
            assert {one.epoch for one in hidden if one.channel == channel} <= {head.epoch}
            assert {offset for offset in old if offset > head.offset} <= kept.keys()  # the stated gap, and not more:
            assert all(offset > head.offset for offset in kept)
            for one in (one for one in both.readers if one.channel == channel):
                await check_reader(one, head, old, kept, both)

    world(test)


async def check_reader(one, head, old, kept, both):
    """Hold a reader against the ledger: all that was mirrored, then one gap that says from where to where, then all."""
    before = one.of(head.epoch)
    assert before.keys() >= set(range(min(before), head.offset + 1))
    together = before | kept
    assert {offset: together[offset] for offset in old} == old  # each is somewhere, where it was acknowledged
    assert len(one.gaps) == 1
    gap = one.gaps[0]
    assert (gap.since.epoch, gap.since.offset) == (head.epoch, max(before))
    assert gap.until.epoch != head.epoch
    assert gap.until.offset >= head.offset
    after = one.of(gap.until.epoch)
    assert len(before) + len(after) == len(one.messages)
    snapshot = await one.client.history(one.channel, since=Position(gap.until.epoch, head.offset))
    assert snapshot.recovered  # what was published before this reader was told, it can read
    new = {message.position.offset: message.data for message in snapshot.messages} | after
    acknowledged = both.ledger(one.channel, gap.until.epoch)
    assert {offset: new[offset] for offset in acknowledged} == acknowledged
    everything = [data for offset, data in before.items() if offset <= head.offset] + list(new.values())
    in_b = [data for data in everything if data != "begin"]
    assert len(set(in_b)) == len(in_b)  # nor was anything stored twice in the region that lives


def test_a_client_that_is_ahead_of_the_mirror_waits_for_it_and_is_given_nothing_twice(world):
    async def test(both):
        await both.load()
        await both.quiet()
        both.b.kill()  # the link is cut: what follows stays in region a
        source = both.clients[0]
        for number in range(5):
            await source.publish("x", f"ahead-{number}")
        x = [one for one in both.readers if one.channel == "x"]
        await eventually(lambda: all(one.messages[-1].data == "ahead-4" for one in x))
        known = x[0].last
        both.a.kill()
        both.gate_a.kill()
        await asyncio.to_thread(both.b.start)
        await both.over_there()
        stated = await both.head("x")
        assert stated.epoch == known.epoch
        assert stated.offset == known.offset - 5
        assert all(one.last == known for one in x)
        await asyncio.to_thread(both.a.start)

        async def published():
            with contextlib.suppress(Exception):
                return await source.publish("x", "after", key="after")

        stored = await eventually(published)
        assert stored.offset == known.offset + 1
        await eventually(lambda: all(one.last == stored for one in x))
        assert not any(one.gaps for one in both.readers)
        assert all(len(one.of(known.epoch)) == len(one.messages) for one in x)

    world(test)
