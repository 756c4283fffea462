"""One read for all who ask at the same time: a thousand clients that come back cost one read per channel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedReads(Generic[K, V]):
    """Reads things that change.

    Who asks while a read is under way does not get its answer, for what was stored since it began may be missing there:
    all who ask meanwhile share the next one.

    Args:
        read: Reads one thing.
    """

    def __init__(self, read: Callable[[K], Awaitable[V]]) -> None:
        self._read = read
        self._running: dict[K, asyncio.Future[V]] = {}
        self._next: dict[K, asyncio.Future[V]] = {}
        self.reads = 0
        self.shared = 0

    async def read(self, key: K) -> V:
        """Return the thing as it is now, or a little later.

        Raises:
            Exception: What the reading raised.
        """
        waiting = self._next.get(key)
        if waiting is not None:
            self.shared += 1
            return await asyncio.shield(waiting)
        before = self._running.get(key)
        mine: asyncio.Future[V] = asyncio.ensure_future(self._after(key, before))
        mine.add_done_callback(_seen)
        self._next[key] = mine
        return await asyncio.shield(mine)

    async def _after(self, key: K, before: asyncio.Future[V] | None) -> V:
        if before is not None:
            await asyncio.wait([before])
        else:
            await asyncio.sleep(0)  # who asks in the same turn of the loop comes along
        mine = self._running[key] = self._next.pop(key)
        self.reads += 1
        try:
            return await self._read(key)
        finally:
            if self._running.get(key) is mine:
                del self._running[key]


def _seen(done: asyncio.Future[V]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not done.cancelled():
        done.exception()
