"""Work that goes on beside the callers, and that ends with its owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from plumbline.streaming.core.broker import BrokerError


class Tasks:
    """Tasks that somebody holds: the event loop itself would let go of them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def do(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Begin it."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def answer(self, work: Awaitable[Any], done: Callable[[Any], None]) -> None:
        """Begin work, and tell what it gave, or the error that says why not; also if it ends before it began."""

        def over(task: asyncio.Task[Any]) -> None:
            self._running.discard(task)
            error = BrokerError("unavailable", "the gateway stops; try again in 1 s")
            failed = error if task.cancelled() else task.exception()
            if failed is not None and not isinstance(failed, BrokerError):
                done(BrokerError("unavailable", f"internal error: {failed!r}"))
                raise failed
            done(failed or task.result())

        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(over)

    def cancel(self) -> None:
        """End all, without waiting for it."""
        for task in list(self._running):
            task.cancel()

    async def stop(self) -> None:
        """End all."""
        self.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
