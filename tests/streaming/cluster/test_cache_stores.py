"""The cache between processes: leases, late results, values that others computed, and a store that is gone."""

import asyncio

import pytest
from cluster.cachelab import HOUR_S, Source
from cluster.natslab import eventually
from contracts.broker import ask

from plumbline.streaming.cluster.cache import Cache, Record
from plumbline.streaming.cluster.cachestores import CACHE, MemoryStore, NatsStore
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.core.broker import BrokerError


def test_a_lease_holds_one_process_off_until_it_is_given_back(stores):
    async def main():
        async with stores.open(2) as [one, two]:
            lease = await one.claim("k", "one", HOUR_S)
            assert lease is not None
            assert await two.claim("k", "two", HOUR_S) is None
            await two.release("k", lease + 1000)
            assert await two.claim("k", "two", HOUR_S) is None
            await one.release("k", lease)
            assert await two.claim("k", "two", HOUR_S) is not None

    asyncio.run(main())


def test_a_late_result_does_not_replace_a_newer_one(stores):
    async def main():
        async with stores.open() as [store]:
            assert await store.put("k", Record(b"newer", HOUR_S), after=0)
            assert not await store.put("k", Record(b"late", HOUR_S), after=0)
            revision = (await store.get("k")).revision
            assert await store.put("k", Record(b"third", HOUR_S), after=revision)
            assert (await store.get("k")).value == b"third"

    asyncio.run(main())


def test_who_waits_for_another_process_takes_its_value(stores):
    async def main():
        async with stores.open(2) as [one, two]:
            lease = await one.claim("k", "elsewhere", HOUR_S)
            cache = Cache(two)
            never = Source()
            asked = asyncio.ensure_future(cache.computed("k", never, ttl_s=HOUR_S))
            await eventually(lambda: cache.counts["waits"])
            await one.put("k", Record(b"theirs", HOUR_S), after=0)
            assert (await asked).value == b"theirs"
            assert never.calls == 0
            await one.release("k", lease)

    asyncio.run(main())


def test_the_last_value_of_a_channel_is_its_newest_message(stores):
    async def main():
        async with stores.open() as [store]:
            cache = Cache(store)
            await ask(stores.broker.head, "scores")
            assert await cache.last("scores") is None
            for number in range(3):
                await ask(stores.broker.publish, "scores", b"%d" % number, None)
            assert (await cache.last("scores")).value == b"2"

    asyncio.run(main())


def test_memory_is_bounded_and_the_least_used_goes_first():
    async def main():
        store = MemoryStore(most_bytes=30)
        cache = Cache(store)
        for key in "abc":
            await cache.put(key, b"x" * 10, ttl_s=HOUR_S)
        await cache.get("a")
        await cache.put("d", b"x" * 10, ttl_s=HOUR_S)
        assert store.size == 30
        assert [key for key in "abcd" if await cache.get(key)] == ["a", "c", "d"]

    asyncio.run(main())


def test_a_cache_without_a_broker_knows_no_channels():
    with pytest.raises(BrokerError, match="without a broker"):
        asyncio.run(Cache(MemoryStore()).last("c"))


def test_a_store_that_is_gone_costs_the_protection_between_processes_only(nats):
    async def main():
        server = nats()
        link = Link([server.url])
        await link.open()
        store = NatsStore(link)
        await store.ready()
        cache = Cache(store)
        server.kill()
        await eventually(lambda: not link.up)
        source = Source()
        asked = [asyncio.ensure_future(cache.computed("k", source, ttl_s=HOUR_S)) for _ in range(10)]
        await source.begun.wait()
        source.go.set()
        assert {(await one).value for one in asked} == {b"42"}
        assert source.calls == 1
        assert cache.stats()["store_errors"] > 0
        with pytest.raises(BrokerError):
            await cache.get("k")
        await link.close()

    asyncio.run(main())


def test_what_is_of_no_use_any_more_is_forgotten_by_the_server(nats):
    async def main():
        link = Link([nats().url])
        await link.open()
        store = NatsStore(link)
        await store.ready()
        await store.put("k", Record(b"x", 0.5, 0.2), after=None)

        async def forgotten():
            return not (await link.api(f"STREAM.INFO.{CACHE}"))["state"]["messages"]

        await eventually(forgotten)
        assert await store.get("k") is None
        await link.close()

    asyncio.run(main())
