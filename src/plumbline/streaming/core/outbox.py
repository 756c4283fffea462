"""What waits for one connection: bounded in bytes and messages, with a policy per channel for what is too much."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from plumbline.streaming.core.setting_kinds import Overflow

MUCH_SMALLER = 16
"""A frame that is so many times smaller than one in front of it is held up by it."""
Policies = Callable[[str | None], Overflow]
"""Says what a full queue does with a channel's messages; asked with None for answers."""


class Limits(NamedTuple):
    """How much may wait.

    Args:
        max_bytes: Bytes of whole frames, headers included.
        max_messages: Frames.
    """

    max_bytes: int
    max_messages: int


class Item(NamedTuple):
    """One frame that waits.

    Args:
        frame: Complete bytes; shared with all other readers of the message.
        channel: Where it was published. None for an answer to the client's own request, which is never dropped.
        at: Clock time of queueing, in seconds.
        newest_only: A newer item of the same channel takes its place, full or not.
    """

    frame: bytes
    channel: str | None
    at: float
    newest_only: bool = False


class Behind(NamedTuple):
    """What a large frame holds up.

    Args:
        largest: Bytes of the largest frame that waits, or what is left of the half-written one.
        messages: Much smaller frames behind it.
        since: When the oldest of them was queued, in seconds of the clock; None: there are none.
        channels: Channels that have frames waiting; answers count as one.
    """

    largest: int
    messages: int
    since: float | None
    channels: int


class Outbox:
    """The frames that wait for one connection, and the rest of the one that is half written.

    `queued_bytes + in_flight` stays within `Limits.max_bytes`, except that one frame larger than all of it may be in
    flight alone: it was sent directly to an idle connection.
    """

    __slots__ = ("_items", "_keys", "_newest_only", "dropped", "in_flight", "queued_bytes")

    def __init__(self) -> None:
        # None while nothing waits, which is nearly always: an empty container per idle connection would cost 0.5 KB.
        self._items: OrderedDict[int | str, Item] | None = None
        self._keys = 0
        self._newest_only = False  # since `latest` met a full queue: its channels' messages are keyed by channel
        self.queued_bytes = 0
        self.in_flight = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items) if self._items else 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait: whole frames, and what is left of the half-written one."""
        return self.queued_bytes + self.in_flight

    def fits(self, size: int, limits: Limits, messages: int = 1) -> bool:
        """Say whether so many frames of `size` bytes together fit as they are, with nothing dropped."""
        return self.waiting_bytes + size <= limits.max_bytes and len(self) + messages <= limits.max_messages

    def offer(self, item: Item, limits: Limits, policies: Policies) -> bool:
        """Queue a frame, making room as the policies say: only messages whose own channel allows it are dropped.

        Returns:
            False if there is no room and none can be made: the connection has to be closed (or, with `wait`, should
            not have been offered it).
        """
        if item.newest_only and item.channel is not None:
            self._drop(item.channel, count=False)
        elif self._newest_only and item.channel is not None and policies(item.channel) is Overflow.LATEST:
            self._drop(item.channel)
        if not self.fits(len(item.frame), limits):
            policy = policies(item.channel)
            self._make_room(item, limits, policy, policies)
            if not self.fits(len(item.frame), limits):
                droppable = item.channel is not None and (item.newest_only or policy in DROPPING)
                self.dropped += droppable
                return droppable
        self._append(item, policies)
        return True

    def trim(self, limits: Limits, policies: Policies) -> bool:
        """Apply limits or policies that changed while frames wait; False if the connection has to be closed."""
        if self._within(limits):
            return True
        self._keep_newest(policies)
        self._drop_oldest_until(lambda: self._within(limits), policies)
        if self._within(limits):
            return True
        return all(policies(item.channel) is Overflow.WAIT for item in (self._items or {}).values())

    def batch(self, max_bytes: int, max_frames: int) -> list[bytes]:
        """Return the frames to write next: at least one if any waits, else as many as stay within `max_bytes`."""
        frames: list[bytes] = []
        size = 0
        for item in (self._items or {}).values():
            size += len(item.frame)
            if frames and (size > max_bytes or len(frames) >= max_frames):
                break
            frames.append(item.frame)
        return frames

    def written(self, count: int) -> bytes:
        """Take `count` written bytes off the front.

        Returns:
            The rest of the frame in which they ended, which is in flight from now on and no longer queued; with
            `count == 0` all of the first frame. Empty if they ended with a frame.
        """
        while self._items:
            frame = next(iter(self._items.values())).frame
            self._pop_first()
            if count < len(frame):
                self.in_flight = len(frame) - count
                return frame[count:]
            count -= len(frame)
            if not count:
                break
        return b""

    def clear(self) -> None:
        """Forget everything that waits."""
        self._items = None
        self._newest_only = False
        self.queued_bytes = 0

    def oldest_at(self) -> float | None:
        """Return when the frame at the front was queued, or None."""
        return next(iter(self._items.values())).at if self._items else None

    def behind(self) -> Behind:
        """Return what the largest frame holds up: frames behind it that are a sixteenth of it or smaller."""
        largest, count, since = self.in_flight, 0, None
        channels = set()
        for item in (self._items or {}).values():
            channels.add(item.channel)
            size = len(item.frame)
            if size * MUCH_SMALLER <= largest:
                count += 1
                since = item.at if since is None else min(since, item.at)
            largest = max(largest, size)
        return Behind(largest, count, since, len(channels))

    def _within(self, limits: Limits) -> bool:
        return self.waiting_bytes <= limits.max_bytes and len(self) <= limits.max_messages

    def _append(self, item: Item, policies: Policies) -> None:
        if self._items is None:
            self._items = OrderedDict()
        self._keys += 1
        key: int | str = self._keys
        if item.channel is not None and (
            item.newest_only or (self._newest_only and policies(item.channel) is Overflow.LATEST)
        ):
            key = item.channel
        self._items[key] = item
        self.queued_bytes += len(item.frame)

    def _make_room(self, item: Item, limits: Limits, policy: Overflow, policies: Policies) -> None:
        size = len(item.frame)
        self._keep_newest(policies)
        if item.channel is not None and policy is Overflow.LATEST:
            self._drop(item.channel)
        if size + self.in_flight <= limits.max_bytes:  # else nothing that is dropped would make it fit
            self._drop_oldest_until(lambda: self.fits(size, limits), policies)

    def _keep_newest(self, policies: Policies) -> None:
        """Keep of each channel whose policy is `latest` only its newest message, at that message's place."""
        if self._newest_only:
            return
        old = self._items or OrderedDict()
        latest = {item.channel for item in old.values() if item.channel is not None}
        latest = {channel for channel in latest if policies(channel) is Overflow.LATEST}
        if not latest:
            return
        self._newest_only = True
        self._items = OrderedDict()
        self.queued_bytes = sum(len(item.frame) for item in old.values())
        for key, item in old.items():
            if item.channel in latest and item.channel is not None:
                self._drop(item.channel)
                self._items[item.channel] = item
            else:
                self._items[key] = item

    def _drop_oldest_until(self, enough: Callable[[], bool], policies: Policies) -> None:
        while not enough():
            oldest = next((key for key, item in (self._items or {}).items() if _droppable(item, policies)), None)
            if oldest is None:
                return
            self._drop(oldest)

    def _drop(self, key: int | str, *, count: bool = True) -> None:
        item = self._items.pop(key, None) if self._items else None
        if item is not None:
            self.queued_bytes -= len(item.frame)
            self.dropped += count

    def _pop_first(self) -> None:
        if self._items:
            _, item = self._items.popitem(last=False)
            self.queued_bytes -= len(item.frame)
            if not self._items:
                self.clear()


DROPPING = (Overflow.DROP_OLDEST, Overflow.LATEST)


def _droppable(item: Item, policies: Policies) -> bool:
    return item.channel is not None and (item.newest_only or policies(item.channel) in DROPPING)
