"""A reader's side of a channel: an asynchronous iterator that is also a context manager."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from plumbline.streaming.client.events import Event
from plumbline.streaming.client.inlet import Inlet
from plumbline.streaming.core.broker import Position

Callback = Callable[[Event], Awaitable[object] | object]


class Subscription:
    """Events of one channel, in order: `async for event in subscription`.

    It is made by `Client.subscribe`. Leaving its `async with` block, or `close()`, ends it; when the last reader of a
    channel has gone, the client unsubscribes.

    Args:
        inlet: Where events come from.
        leave: Called once, when the reader goes.
    """

    def __init__(self, inlet: Inlet, leave: Callable[[Inlet], None]) -> None:
        self._inlet = inlet
        self._leave = leave

    @property
    def channel(self) -> str:
        """The channel's name."""
        return self._inlet.channel

    @property
    def waiting(self) -> int:
        """How many events wait to be read."""
        return len(self._inlet.buffer)

    @property
    def dropped(self) -> int:
        """How many events the policy has dropped, because this reader was too slow."""
        return self._inlet.buffer.drops

    async def ready(self) -> Position:
        """Wait until the gateway has confirmed the subscription, and return the position after which it begins.

        Raises:
            ClientError: It refused.
        """
        return await self._inlet.ready

    def close(self) -> None:
        """Read no more; what waits can still be read."""
        self._leave(self._inlet)
        self._inlet.end(None)

    async def run(self, callback: Callback) -> None:
        """Call this with each event, and wait for it if it is a coroutine function, until the subscription ends.

        Raises:
            ClientError: The gateway ended the subscription.
        """
        async for event in self:
            result = callback(event)
            if inspect.isawaitable(result):
                await result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await self._inlet.buffer.get()

    async def __aenter__(self) -> Self:
        try:
            await self.ready()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
