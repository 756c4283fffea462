"""The cache, over both of its stores: one load at a time, staleness told, failures short."""

import asyncio

import pytest
from cluster.cachelab import HOUR_S, Source, opened
from cluster.natslab import eventually

from plumbline.streaming.cluster.cache import Cache, CacheOptions, LoadFailedError
from plumbline.streaming.cluster.cachestores import MemoryStore


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
