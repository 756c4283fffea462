"""What waits for one reader: bounded, with a policy for a reader that is slower than its channel."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum

from plumbline.streaming.client.events import BUFFER_FULL, Event, Gap, Message, Snapshot
from plumbline.streaming.core.broker import Position


class Policy(StrEnum):
    """What a full buffer does."""

    BLOCK = "block"  # the socket is not read from until the reader has taken something
    DROP = "drop"  # the oldest message goes, and a gap says so
    LATEST = "latest"  # only the newest message is kept


class Buffer:
    """Events on their way to one reader.

    Args:
        size: Events that may wait.
        policy: What happens then. With `block` one more may come in: the one that was read already.
    """

    def __init__(self, size: int, policy: Policy) -> None:
        if size < 1:
            raise ValueError(f"a buffer holds at least one event, not {size}")
        self._size = size
        self._policy = policy
        self._events: deque[Event] = deque()
        self._dropped: Gap | None = None  # comes before all that waits
        self._given: Position | None = None
        self._error: BaseException | None = None
        self._closed = False
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()
        self.drops = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def full(self) -> bool:
        """Whether the socket must not be read from."""
        return self._policy is Policy.BLOCK and len(self._events) >= self._size and not self._closed

    def put(self, event: Event) -> None:
        """Add an event; what the policy drops is counted in `drops`."""
        if self._closed:
            return
        newest_only = self._policy is Policy.LATEST and isinstance(event, Message)
        if newest_only and self._events and isinstance(self._events[-1], Message):
            self._events[-1] = event
            self.drops += 1
        else:
            self._events.append(event)
            if self._policy is not Policy.BLOCK and len(self._events) > self._size:
                self._drop(self._events.popleft())
        self._filled.set()

    async def get(self) -> Event:
        """Return the next event.

        Raises:
            StopAsyncIteration: The buffer was closed, and nothing is left.
            BaseException: What it was closed with, once nothing is left.
        """
        while not self._events and self._dropped is None:
            if self._closed:
                raise self._error or StopAsyncIteration
            self._filled.clear()
            await self._filled.wait()
        event = self._next()
        if isinstance(event, Message | Snapshot):
            self._given = event.position
        elif isinstance(event, Gap):
            self._given = event.until
        if len(self._events) < self._size:
            self._taken.set()
        return event

    async def room(self) -> None:
        """Wait until the socket may be read from."""
        while self.full:
            self._taken.clear()
            await self._taken.wait()

    def close(self, error: BaseException | None = None) -> None:
        """Take no more; readers get what waits, and then the error, or the end."""
        if not self._closed:
            self._closed, self._error = True, error
        self._filled.set()
        self._taken.set()

    def _next(self) -> Event:
        if self._dropped is not None:
            gap, self._dropped = self._dropped, None
            return gap
        return self._events.popleft()

    def _drop(self, event: Event) -> None:
        self.drops += 1
        if self._policy is Policy.LATEST or not isinstance(event, Message | Gap | Snapshot):
            return
        until = event.until if isinstance(event, Gap) else event.position
        since = self._dropped.since if self._dropped else self._given
        self._dropped = Gap(event.channel, since, until, BUFFER_FULL)
