"""The cache, over both of its stores: one load at a time, staleness told, failures short, late results fenced."""

import asyncio
import contextlib

import pytest
from cluster.natslab import eventually
from contracts.broker import Recorder, ask

from plumbline.streaming import Settings
from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker
from plumbline.streaming.cluster.cache import Cache, CacheOptions, LoadFailedError, Record
from plumbline.streaming.cluster.cachestores import CACHE, MemoryStore, NatsStore
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.core.broker import BrokerError
from plumbline.streaming.core.local import LocalBroker

HOUR_S = 3600.0


class Source:
    """What is slow to compute: it counts how often, and waits until it is let go."""

    def __init__(self, value=b"42"):
        self.value = value
        self.calls = 0
        self.go = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self):
        self.calls += 1
        self.begun.set()
        await self.go.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def opened(source=b"42"):
    one = Source(source)
    one.go.set()
    return one


class Stores:
    """Opens stores that share what they keep, as processes would."""

    def __init__(self, kind, server):
        self.kind, self.server = kind, server
        self.memory = None

    @contextlib.asynccontextmanager
    async def open(self, count=1, **options):
        async with contextlib.AsyncExitStack() as stack:
            yield [await self._store(stack, options) for _ in range(count)]

    async def _store(self, stack, options):
        if self.kind == "memory":
            if self.memory is None:
                self.broker = LocalBroker(Settings(), "e", lambda: 0.0)
                await self.broker.start(Recorder())
                self.memory = MemoryStore(broker=self.broker, **options)
            return self.memory
        link = Link([self.server.url])
        await link.open()
        stack.push_async_callback(link.close)
        store = NatsStore(link, **options)
        await store.ready()
        if not hasattr(self, "broker"):
            self.broker = NatsBroker(ClusterOptions(servers=(self.server.url,)), Settings())
            await self.broker.start(Recorder())
            stack.push_async_callback(self.broker.stop)
        return store


@pytest.fixture(params=["memory", "nats"])
def stores(request):
    server = request.getfixturevalue("nats")() if request.param == "nats" else None
    return Stores(request.param, server)


def test_a_value_is_kept_and_told_with_its_age(stores):
    async def main():
        async with stores.open() as [store]:
            cache = Cache(store)
            assert await cache.get("ä b") is None
            assert await cache.put("ä b", b"\x00x", ttl_s=HOUR_S)
            found = await cache.get("ä b")
            assert (found.value, found.stale) == (b"\x00x", False)
            assert 0 <= found.age_s < HOUR_S
            assert cache.stats()["hits"] == cache.stats()["misses"] == 1

    asyncio.run(main())


def test_many_who_miss_cost_one_computation(stores):
    async def main():
        async with stores.open(2) as pair:
            caches = [Cache(store) for store in pair]
            source = Source()
            asked = [
                asyncio.ensure_future(caches[number % 2].computed("k", source, ttl_s=HOUR_S)) for number in range(40)
            ]
            await source.begun.wait()
            source.go.set()
            assert {(await one).value for one in asked} == {b"42"}
            assert source.calls == 1
            assert sum(cache.counts["loads"] for cache in caches) == 1
            assert max(cache.stats()["most_at_once"] for cache in caches) == 1

    asyncio.run(main())


def test_without_protection_everybody_computes(stores):
    async def main():
        async with stores.open() as [store]:
            cache = Cache(store, CacheOptions(protection=False))
            source = Source()
            asked = [asyncio.ensure_future(cache.computed("k", source, ttl_s=HOUR_S)) for _ in range(20)]
            await eventually(lambda: source.calls == 20)
            assert cache.stats()["keys"] == [{"key": "k", "loading": 20, "most_at_once": 20}]
            source.go.set()
            await asyncio.gather(*asked)
            assert cache.stats()["most_at_once"] == 20
            assert cache.stats()["loading"] == 0

    asyncio.run(main())


def test_a_stale_value_is_answered_at_once_and_computed_behind(stores):
    async def main():
        async with stores.open() as [store]:
            cache = Cache(store)
            await cache.put("k", b"old", ttl_s=0.0, stale_for_s=HOUR_S)
            source = Source(b"new")
            answers = [await cache.computed("k", source, ttl_s=HOUR_S) for _ in range(5)]
            assert {(one.value, one.stale) for one in answers} == {(b"old", True)}
            await source.begun.wait()
            source.go.set()

            async def renewed():
                return not (await cache.computed("k", source, ttl_s=HOUR_S)).stale

            await eventually(renewed)
            assert (await cache.get("k")).value == b"new"
            assert source.calls == 1
            assert cache.stats()["stale_served"] >= 5

    asyncio.run(main())


def test_what_is_too_old_is_never_answered(stores):
    async def main():
        async with stores.open() as [store]:
            cache = Cache(store)
            await cache.put("k", b"old", ttl_s=0.0, stale_for_s=0.0)
            assert await cache.get("k") is None
            assert (await cache.computed("k", opened(b"new"), ttl_s=HOUR_S)).value == b"new"

    asyncio.run(main())


def test_a_failure_is_kept_for_a_moment_and_not_tried_again_by_all(stores):
    async def main():
        async with stores.open(2) as pair:
            first, second = (Cache(store, CacheOptions(failure_s=HOUR_S)) for store in pair)
            broken = opened(ZeroDivisionError("no rows"))
            with pytest.raises(ZeroDivisionError):
                await first.computed("k", broken, ttl_s=HOUR_S)
            with pytest.raises(LoadFailedError, match="ZeroDivisionError: no rows"):
                await second.computed("k", broken, ttl_s=HOUR_S)
            assert broken.calls == 1
            assert await first.get("k") is None
            assert second.stats()["failures_served"] == 1

    asyncio.run(main())


def test_a_failure_that_has_passed_is_tried_again(stores):
    async def main():
        async with stores.open() as [store]:
            cache = Cache(store, CacheOptions(failure_s=0.0))
            with pytest.raises(OSError, match="down"):
                await cache.computed("k", opened(OSError("down")), ttl_s=HOUR_S)
            assert (await cache.computed("k", opened(), ttl_s=HOUR_S)).value == b"42"

    asyncio.run(main())


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


def test_a_value_that_is_too_large_is_answered_and_not_kept(stores):
    async def main():
        async with stores.open() as [store]:
            cache = Cache(store, CacheOptions(most_value_bytes=3))
            assert not await cache.put("k", b"1234", ttl_s=HOUR_S)
            assert (await cache.computed("k", opened(b"1234"), ttl_s=HOUR_S)).value == b"1234"
            assert await cache.get("k") is None
            assert cache.stats()["too_large"] == 2

    asyncio.run(main())


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_has_1_to_200_characters(key):
    with pytest.raises(ValueError, match="1 to 200"):
        asyncio.run(Cache(MemoryStore()).get(key))


def test_times_to_live_are_spread():
    async def main():
        store = MemoryStore(clock=lambda: 0.0)
        cache = Cache(store, CacheOptions(jitter=0.5))
        for number in range(50):
            await cache.computed(f"k{number}", opened(), ttl_s=100.0)
        lives = [(await store.get(f"k{number}")).ttl_s for number in range(50)]
        assert all(50 <= life <= 100 for life in lives)
        assert max(lives) - min(lives) > 10

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
