"""A cache of values, of computed values, and of channels' last values: one load at a time per key, staleness told.

The same logic stands on two stores (`cachestores`): this process's memory, or NATS for all processes of a region.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from plumbline.streaming.cluster.records import Cached, Record, Store
from plumbline.streaming.core.broker import BrokerError

__all__ = ["Cache", "CacheOptions", "Cached", "LoadFailedError", "Record", "Store"]

POLL_S, LONGEST_POLL_S = 0.01, 0.2  # between looks at what another process computes
KEY_LENGTH = 200
NAMED = 50  # keys that the stats name one by one


class LoadFailedError(Exception):
    """The value could not be computed a moment ago, and it is not tried again at once; the message says why."""


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """How the cache behaves.

    Args:
        protection: Compute one value once at a time, in this process and in all. Off: whoever misses computes.
        jitter: Part of the time to live, 0 to 1, by which it is shortened at random: keys do not expire together.
        failure_s: For how long a failed computation is answered with its failure.
        lease_s: Longest time that a computation may take before another process may begin it too.
        most_value_bytes: A larger value is answered, but not kept.
    """

    protection: bool = True
    jitter: float = 0.1
    failure_s: float = 1.0
    lease_s: float = 30.0
    most_value_bytes: int = 512 << 10


class Cache:
    """Keeps values under keys.

    Args:
        store: Where.
        options: How.
    """

    def __init__(self, store: Store, options: CacheOptions | None = None) -> None:
        self.options = options or CacheOptions()
        self.counts: Counter[str] = Counter()
        self._store = store
        self._owner = secrets.token_hex(6)
        self._flights: dict[str, asyncio.Task[Record]] = {}
        self._loading: Counter[str] = Counter()
        self._peaks: Counter[str] = Counter()

    async def get(self, key: str) -> Cached | None:
        """Return what was stored under a key.

        Raises:
            BrokerError: The store cannot be reached.
            ValueError: The key is none.
        """
        record = await self._store.get(_key(key))
        if record is None or record.failed or not record.usable:
            self.counts["misses"] += 1
            return None
        return self._hit(record)

    async def put(self, key: str, value: bytes, *, ttl_s: float, stale_for_s: float = 0.0) -> bool:
        """Store a value; False if it is too large.

        Raises:
            BrokerError: The store cannot be reached.
            ValueError: The key is none.
        """
        if len(value) > self.options.most_value_bytes:
            self.counts["too_large"] += 1
            return False
        return await self._store.put(_key(key), Record(value, ttl_s, stale_for_s), after=None)

    async def last(self, channel: str) -> Cached | None:
        """Return the newest message of a channel.

        Raises:
            BrokerError: The store cannot be reached.
        """
        return await self._store.last(channel)

    async def computed(
        self, key: str, compute: Callable[[], Awaitable[bytes]], *, ttl_s: float, stale_for_s: float = 0.0
    ) -> Cached:
        """Return a value, computed when it is not there.

        One process computes it at a time, and the others wait for it. A stale value is answered at once, and computed
        anew behind it. Nothing older than `ttl_s + stale_for_s` is ever answered. When the store cannot be reached,
        the value is computed, once at a time in this process.

        Raises:
            LoadFailedError: `compute` failed less than `failure_s` ago.
            Exception: What `compute` raised just now.
            ValueError: The key is none.
        """
        record = await self._look(_key(key))
        if record is not None and record.fresh:
            if record.failed:
                self.counts["failures_served"] += 1
                raise LoadFailedError(record.value.decode())
            return self._hit(record)
        if record is not None and record.usable and not record.failed:
            self._flight(key, compute, ttl_s, stale_for_s)
            return self._hit(record)
        self.counts["misses"] += 1
        if not self.options.protection:
            return _cached(await self._load(key, compute, ttl_s, stale_for_s, after=None))
        if key in self._flights:
            self.counts["joined"] += 1
        return _cached(await asyncio.shield(self._flight(key, compute, ttl_s, stale_for_s)))

    def stats(self) -> dict[str, Any]:
        """Return the counters, and how many computations of one key run and ran at once in this process."""
        names = sorted(self._peaks, key=lambda key: (-self._loading[key], -self._peaks[key], key))[:NAMED]
        return {
            "protection": self.options.protection,
            "jitter": self.options.jitter,
            **{name: self.counts[name] for name in COUNTED},
            "loading": sum(self._loading.values()),
            "most_at_once": max(self._peaks.values(), default=0),
            "keys": [{"key": key, "loading": self._loading[key], "most_at_once": self._peaks[key]} for key in names],
        }

    def _hit(self, record: Record) -> Cached:
        self.counts["hits" if record.fresh else "stale_served"] += 1
        return _cached(record)

    async def _look(self, key: str) -> Record | None:
        try:
            return await self._store.get(key)
        except BrokerError:
            self.counts["store_errors"] += 1
            return None

    def _flight(
        self, key: str, compute: Callable[[], Awaitable[bytes]], ttl_s: float, stale_for_s: float
    ) -> asyncio.Task[Record]:
        """Return the one task of this process that gets the value."""
        task = self._flights.get(key)
        if task is None:
            task = self._flights[key] = asyncio.ensure_future(self._fly(key, compute, ttl_s, stale_for_s))
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    def _landed(self, key: str, task: asyncio.Task[Record]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled():
            task.exception()  # a refresh that nobody waits for may fail: it was counted

    async def _fly(self, key: str, compute: Callable[[], Awaitable[bytes]], ttl_s: float, stale_for_s: float) -> Record:
        """Compute the value here, or wait for the process that does."""
        pause = POLL_S
        while True:
            try:
                lease = await self._store.claim(key, self._owner, self.options.lease_s)
            except BrokerError:
                self.counts["store_errors"] += 1
                return await self._load(key, compute, ttl_s, stale_for_s, after=None)
            record = await self._look(key)  # after the claim: who had it before may just have stored
            if record is not None and record.fresh:
                if lease is not None:
                    await self._release(key, lease)
                if record.failed:
                    raise LoadFailedError(record.value.decode())
                return record
            if lease is not None:
                try:
                    return await self._load(key, compute, ttl_s, stale_for_s, after=record.revision if record else 0)
                finally:
                    await self._release(key, lease)
            self.counts["waits"] += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads polls, no secret
            pause = min(LONGEST_POLL_S, pause * 2)

    async def _load(
        self, key: str, compute: Callable[[], Awaitable[bytes]], ttl_s: float, stale_for_s: float, *, after: int | None
    ) -> Record:
        self.counts["loads"] += 1
        self._loading[key] += 1
        self.counts["overlapped"] += self._loading[key] > 1
        self._peaks[key] = max(self._peaks[key], self._loading[key])
        self._bound_peaks()
        try:
            value = await compute()
        except Exception as error:
            self.counts["load_failures"] += 1
            sentence = f"{type(error).__name__}: {error}"[:500]
            await self._keep(key, Record(sentence.encode(), self.options.failure_s, failed=True), after)
            raise
        finally:
            self._loading[key] -= 1
            if not self._loading[key]:
                del self._loading[key]
        shorter = 1 - self.options.jitter * random.random()  # noqa: S311 - spreads expiries, no secret
        record = Record(value, ttl_s * shorter, stale_for_s)
        if len(value) > self.options.most_value_bytes:
            self.counts["too_large"] += 1
        else:
            await self._keep(key, record, after)
        return record

    async def _keep(self, key: str, record: Record, after: int | None) -> None:
        """Store, unless another process did since this one began: a late result never replaces a newer one."""
        try:
            if not await self._store.put(key, record, after=after):
                self.counts["fenced"] += 1
        except BrokerError:
            self.counts["store_errors"] += 1

    async def _release(self, key: str, lease: int) -> None:
        try:
            await self._store.release(key, lease)
        except BrokerError:
            self.counts["store_errors"] += 1

    def _bound_peaks(self) -> None:
        while len(self._peaks) > 10 * NAMED:
            del self._peaks[next(key for key in self._peaks if not self._loading[key])]


COUNTED = (
    "hits",
    "misses",
    "stale_served",
    "failures_served",
    "loads",
    "load_failures",
    "overlapped",
    "joined",
    "waits",
    "fenced",
    "too_large",
    "store_errors",
)


def _cached(record: Record) -> Cached:
    return Cached(record.value, record.age_s, stale=not record.fresh)


def _key(key: str) -> str:
    if not 1 <= len(key) <= KEY_LENGTH:
        raise ValueError(f"a key of the cache is text of 1 to {KEY_LENGTH} characters")
    return key
