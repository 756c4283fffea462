"""Server-sent events that several pages watch: one look for all of them, and none while nobody watches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

_log = logging.getLogger(__name__)
HEARTBEAT_S = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""What every stream of events carries."""


class Shared:
    """Looks again and again as long as somebody watches.

    Args:
        look: Returns an event's text; called in a thread.
        period_s: Time between two looks, in seconds.
        changes: Tell only of events that differ from the one before; who comes later is told the last one at once.
    """

    def __init__(self, look: Callable[[], str], period_s: float, *, changes: bool = False) -> None:
        self.watchers = 0
        self._look = look
        self._period_s = period_s
        self._changes = changes
        self._text = ""
        self._number = 0
        self._fresh = asyncio.Event()  # set, and another put in its place, at each event
        self._task: asyncio.Task[None] | None = None

    async def follow(self) -> AsyncIterator[str]:
        """Yield the newest event each time there is one: a page that is slow skips some."""
        self.watchers += 1
        if self._task is None:
            self._text = ""
            self._task = asyncio.create_task(self._go_on())
        seen = 0 if self._changes and self._text else self._number
        try:
            yield "retry: 2000\n\n"
            while True:
                yield await self._after(seen)
                seen = self._number
        finally:
            self.watchers -= 1
            if not self.watchers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _after(self, seen: int) -> str:
        # No lock is held here: the server cancels a reader that has gone again and again until it ends, and one that is
        # cancelled while it takes a lock back leaves it taken, for all readers.
        if self._number <= seen:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._fresh.wait()
            except TimeoutError:
                return ": nothing new\n\n"
        return self._text

    async def _go_on(self) -> None:
        while True:
            try:
                text = await asyncio.to_thread(self._look)
            except Exception:  # noqa: BLE001 - whoever watches must not wait for ever because one look failed
                _log.exception("a look failed; it is tried again")
                await asyncio.sleep(self._period_s)
                continue
            if text != self._text or not self._changes:
                self._text = text
                self._number += 1
                told, self._fresh = self._fresh, asyncio.Event()
                told.set()
            await asyncio.sleep(self._period_s)


async def closing(events: AsyncIterator[str]) -> AsyncIterator[str]:
    """Pass events on, and close their source as soon as the reader is gone."""
    async with contextlib.aclosing(events):  # type: ignore[type-var]  # an async generator, as all of ours are
        async for event in events:
            yield event
