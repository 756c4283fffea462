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
        self._fresh = asyncio.Condition()
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
        async with self._fresh:
            try:
                await asyncio.wait_for(self._fresh.wait_for(lambda: self._number > seen), HEARTBEAT_S)
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
                async with self._fresh:
                    self._text = text
                    self._number += 1
                    self._fresh.notify_all()
            await asyncio.sleep(self._period_s)


async def closing(events: AsyncIterator[str]) -> AsyncIterator[str]:
    """Pass events on, and close their source as soon as the reader is gone."""
    async with contextlib.aclosing(events):  # type: ignore[type-var]  # an async generator, as all of ours are
        async for event in events:
            yield event
