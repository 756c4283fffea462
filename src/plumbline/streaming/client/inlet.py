"""How one reader joins a channel that others may read already: withhold what comes, fill in what went before, go on.

The order closes the race between a state and its changes: the position is read first, then the state or the history,
and what came meanwhile is given after it, each message once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from plumbline.streaming.client.actions import Live
from plumbline.streaming.client.buffer import Buffer
from plumbline.streaming.client.events import HISTORY_LOST, Event, Gap, Message, Past, Snapshot
from plumbline.streaming.core.broker import Position

FetchState = Callable[[str], Awaitable[Any]]
FetchPast = Callable[[str, Position], Awaitable[Past]]
WITHHELD = 4096  # events; more are fetched from history instead


class Inlet:
    """Between a channel and one reader's buffer.

    Args:
        channel: The channel.
        buffer: The reader's.
        since: Where this reader wants to begin; None: with what comes.
        state: Fetches the channel's state at the beginning and after each gap; None: the reader is told of the gap.
        past: Fetches history.
    """

    def __init__(
        self, channel: str, buffer: Buffer, since: Position | None, state: FetchState | None, past: FetchPast
    ) -> None:
        self.channel = channel
        self.buffer = buffer
        self.ready: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        self._since = since
        self._state = state
        self._past = past
        self._withheld: list[Event] | None = None
        self._overflowed = False
        self._work: asyncio.Task[None] | None = None

    def live(self, live: Live, *, joined_late: bool) -> None:
        """Take in that the channel's subscription stands.

        Args:
            live: What the session says.
            joined_late: It stood already: what this reader wants from before does not come by itself.
        """
        if self.ready.done():
            return
        begins = live.position
        if joined_late and self._since is not None and self._since != begins:
            self._begin(self._since, history=True)
        elif self._state is not None and self._since is None:
            self._begin(begins, history=False)
        self.ready.set_result(begins)

    def take(self, event: Event) -> None:
        """Give an event to the reader, or keep it until what belongs before it has been given."""
        if self._withheld is None:
            self.buffer.put(event)
            if isinstance(event, Gap) and self._state is not None:
                self._begin(event.until, history=False)
        elif len(self._withheld) >= WITHHELD:
            self._overflowed = True
            self._withheld.clear()
        else:
            self._withheld.append(event)

    def end(self, error: BaseException | None) -> None:
        """Take no more."""
        if self._work is not None:
            self._work.cancel()
        if not self.ready.done():
            if error is None:
                self.ready.cancel()
            else:
                self.ready.set_exception(error)
                self.ready.exception()  # seen: nobody need wait for it
        self.buffer.close(error)

    def _begin(self, position: Position, *, history: bool) -> None:
        self._withheld = []
        self._overflowed = False
        self._work = asyncio.get_running_loop().create_task(self._fill(position, history=history))

    async def _fill(self, position: Position, *, history: bool) -> None:
        try:
            if not history and self._state is not None:
                self.buffer.put(Snapshot(self.channel, position, await self._state(self.channel)))
            while history or self._overflowed:
                history = self._overflowed = False
                position = await self._replay(position)
            self._release(position)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the program's callback raises is the reader's to see
            self._withheld = None
            self._work = None
            self.end(error)

    async def _replay(self, since: Position) -> Position:
        """Give what history holds after a position, and return where that ends."""
        past = await self._past(self.channel, since)
        if past.recovered is False:
            self.buffer.put(Gap(self.channel, since, past.position, HISTORY_LOST))
            if self._state is not None:
                self.buffer.put(Snapshot(self.channel, past.position, await self._state(self.channel)))
        for message in past.messages:
            await self.buffer.room()
            self.buffer.put(message)
        return past.position

    def _release(self, position: Position) -> None:
        """Give what was withheld and is not given yet."""
        withheld, self._withheld, self._work = self._withheld or [], None, None
        known: Position | None = position
        for event in withheld:
            if isinstance(event, Gap):
                known = None
            if isinstance(event, Message) and known is not None and _reached(event.position, known):
                continue
            self.take(event)  # a gap among them begins anew, and withholds the rest


def _reached(one: Position, other: Position) -> bool:
    return one.epoch == other.epoch and one.offset <= other.offset
