"""A cache's numbers come out as Prometheus metrics, and a stampede is one of them."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from plumbline.streaming.cluster.cache import Cache, CacheOptions
from plumbline.streaming.cluster.cachemetrics import CacheMetrics
from plumbline.streaming.cluster.cachestores import MemoryStore

ASKERS = 8


def shown(cache):
    registry = CollectorRegistry()
    registry.register(CacheMetrics(cache.stats))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


async def crowd(cache, key):
    """Eight ask for one value before anybody has it."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def compute():
        begun.set()
        await go.wait()
        return b"42"

    asked = [asyncio.create_task(cache.computed(key, compute, ttl_s=60)) for _ in range(ASKERS)]
    await begun.wait()
    while cache.stats()["misses"] < ASKERS:  # noqa: ASYNC110 - the cache tells nobody who asked
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*asked)


@pytest.mark.parametrize(("protection", "loads", "overlapping", "joined"), [(True, 1, 0, 7), (False, 8, 7, 0)])
def test_a_crowd_shares_one_computation_or_is_counted_as_a_stampede(protection, loads, overlapping, joined):
    cache = Cache(MemoryStore(), CacheOptions(protection=protection))
    asyncio.run(crowd(cache, "features:42"))
    seen = shown(cache)
    assert seen["plumbline_cache_misses_total"] == ASKERS
    assert seen["plumbline_cache_loads_total"] == loads
    assert seen["plumbline_cache_overlapping_loads_total"] == overlapping
    assert seen["plumbline_cache_joined_total"] == joined
    assert (seen["plumbline_cache_loading"], seen["plumbline_cache_most_at_once"]) == (0, loads)


def test_every_counter_of_the_cache_is_a_metric():
    cache = Cache(MemoryStore())
    numbers = {name for name, value in cache.stats().items() if type(value) is int}
    assert len(shown(cache)) == len(numbers)
