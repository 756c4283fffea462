"""The channels that a gateway attends: one subscription each, and every message after the position it was told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from plumbline.streaming.cluster.blocks import Block, Head
from plumbline.streaming.cluster.kept import Kept
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.reading import block_of, heads, sequence_of
from plumbline.streaming.cluster.subjects import token
from plumbline.streaming.core.broker import BrokerError, Position, Receiver

Told = Callable[[Position | BrokerError], None]
MOST_WAITING = 4096  # messages of a channel that wait while its position is asked


class Owner(Protocol):
    """What the attended channels need of the broker."""

    link: Link
    receiver: Receiver

    def live_subject(self) -> str:
        """Return the prefix of subjects under which this region's copy repeats its messages."""

    def epoch(self, birth: str) -> str:
        """Return the epoch of a channel with this birth."""

    def note(self, channel: str, head: Head) -> None:
        """A channel stands there."""

    async def born(self, channel: str) -> Head:
        """Make a channel begin that is not in the stream."""

    async def kept(self, channel: str) -> Kept | None:
        """Return what is kept of a channel."""


class _Attended:
    __slots__ = ("birth", "healing", "heard_at", "live", "offset", "sequence", "subscription", "waiting", "wanted")

    def __init__(self) -> None:
        self.birth = ""
        self.offset = 0
        self.sequence = 0
        self.heard_at = 0.0  # when its newest stored message came, or its position was told; the loop's clock
        self.live = False  # messages are handed on; else they wait until the position is known
        self.healing = False
        self.waiting: list[tuple[Block, int]] = []
        self.wanted: list[Told] = []
        self.subscription: Subscription | None = None


class AttendedChannels:
    """Attach and detach, by the hundred at once.

    Args:
        owner: The broker.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._channels: dict[str, _Attended] = {}
        self._asked: dict[str, None] = {}  # channels whose position is to be asked
        self._asking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._channels)

    def __contains__(self, channel: str) -> bool:
        return channel in self._channels

    def attach(self, channel: str, done: Told) -> None:
        """Attend a channel and say where it stands."""
        one = self._channels.get(channel)
        if one is None:
            one = self._channels[channel] = _Attended()
        elif one.live:
            done(Position(self._owner.epoch(one.birth), one.offset))
            return
        one.wanted.append(done)
        self._asked[channel] = None
        if self._asking is None:
            self._asking = self._do(self._ask())

    def detach(self, channel: str) -> None:
        """Attend it no more."""
        one = self._channels.pop(channel, None)
        if one is None:
            return
        for done in one.wanted:
            done(BrokerError("unavailable", f"'{channel}' was detached meanwhile"))
        if one.subscription is not None:
            self._do(_unsubscribe(one.subscription))

    def interrupt(self) -> None:
        """Hand nothing on until each channel is attached anew."""
        for one in self._channels.values():
            one.live = False
            one.waiting.clear()

    def quiet(self, since: float) -> list[tuple[str, Head]]:
        """Return the live channels in which nothing was stored since then, each with where it stands."""
        return [
            (channel, Head(one.birth, one.offset, one.sequence))
            for channel, one in self._channels.items()
            if one.live and one.heard_at < since
        ]

    async def stop(self) -> None:
        """Attend nothing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self._channels.values():
            for done in one.wanted:
                done(BrokerError("unavailable", "the gateway stops"))
        self._channels.clear()

    def _do(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self) -> None:
        """Ask for the positions of all channels that were attached meanwhile: one request for hundreds."""
        try:
            while self._asked:
                channels = [channel for channel in self._asked if channel in self._channels]
                self._asked.clear()
                try:
                    await self._begin(channels)
                except BrokerError as error:
                    self._failed(channels, error)
        finally:
            self._asking = None

    async def _begin(self, channels: list[str]) -> None:
        for channel in channels:  # first the ear, then the position: what comes between waits, and is not lost
            await self._listen(channel)
        found = await heads(self._owner.link, channels)
        unborn = [channel for channel in channels if channel not in found]
        for channel, head in zip(unborn, await asyncio.gather(*map(self._owner.born, unborn)), strict=True):
            found[channel] = head
        for channel in channels:
            self._stands(channel, found[channel])

    async def _listen(self, channel: str) -> None:
        one = self._channels.get(channel)
        if one is None or one.subscription is not None:
            return

        async def heard(message: Msg) -> None:
            self._heard(channel, one, message)

        subject = f"{self._owner.live_subject()}.{token(channel)}"
        one.subscription = await self._owner.link.subscribe(subject, heard)
        if self._channels.get(channel) is not one:  # detached meanwhile
            await _unsubscribe(one.subscription)

    def _stands(self, channel: str, head: Head) -> None:
        one = self._channels.get(channel)
        if one is None:
            return
        self._owner.note(channel, head)
        one.birth, one.offset, one.sequence = head.birth, head.offset, head.sequence
        one.heard_at = asyncio.get_running_loop().time()
        one.live = True
        wanted, one.wanted = one.wanted, []
        position = Position(self._owner.epoch(head.birth), head.offset)
        for done in wanted:
            done(position)
        self._hand_on_waiting(channel, one)

    def _failed(self, channels: list[str], error: BrokerError) -> None:
        for channel in channels:
            one = self._channels.get(channel)
            if one is not None and not one.live:
                wanted, one.wanted = one.wanted, []
                for done in wanted:
                    done(error)

    def _heard(self, channel: str, one: _Attended, message: Msg) -> None:
        try:
            block = block_of(message)
        except BrokerError:
            self.counts["foreign"] += 1
            return
        sequence = sequence_of(message)
        if one.live:
            self._hand_on(channel, one, block, sequence)
        elif len(one.waiting) < MOST_WAITING:
            one.waiting.append((block, sequence))
        else:  # the oldest go: the hole they leave is seen, and filled from what is kept
            one.waiting = [*one.waiting[1:], (block, sequence)]

    def _hand_on_waiting(self, channel: str, one: _Attended) -> None:
        waiting, one.waiting = one.waiting, []
        for index, (block, sequence) in enumerate(waiting):
            if not one.live:
                one.waiting = waiting[index:] if one.healing else []
                return
            self._hand_on(channel, one, block, sequence)

    def _hand_on(self, channel: str, one: _Attended, block: Block, sequence: int) -> None:
        if sequence <= one.sequence:
            return
        if block.birth != one.birth:
            self._interrupted(channel, one, "the channel has started again")
            return
        if block.before > one.offset:
            one.live, one.healing = False, True
            one.waiting.append((block, sequence))
            self._do(self._heal(channel, one))
            return
        receiver, epoch = self._owner.receiver, self._owner.epoch(one.birth)
        for offset, data in block.entries(one.offset):
            one.offset = offset
            receiver.arrived(channel, Position(epoch, offset), data)
        one.sequence = sequence
        one.heard_at = asyncio.get_running_loop().time()
        self._owner.note(channel, Head(one.birth, one.offset, sequence))

    async def _heal(self, channel: str, one: _Attended) -> None:
        """Fill a hole among the live messages from what is kept, or say that it cannot be filled."""
        self.counts["gaps"] += 1
        try:
            kept = await self._owner.kept(channel)
        except BrokerError:
            kept = None
        one.healing = False
        if self._channels.get(channel) is not one or one.live:
            return
        missed = kept.missed(Position(one.birth, one.offset)) if kept else None
        if missed is None:
            self._interrupted(channel, one, "messages were missed that are not kept any more")
            return
        epoch = self._owner.epoch(one.birth)
        for offset, data in missed:
            one.offset = offset
            self._owner.receiver.arrived(channel, Position(epoch, offset), data)
        one.live = True
        self._hand_on_waiting(channel, one)

    def _interrupted(self, channel: str, one: _Attended, because: str) -> None:
        one.live = False
        one.waiting.clear()
        self.counts["interrupted"] += 1
        self._owner.receiver.interrupted(channel, because)


async def _unsubscribe(subscription: Subscription) -> None:
    try:
        await subscription.unsubscribe()
    except Exception:  # noqa: BLE001 - the connection is gone, and the subscription with it
        return
