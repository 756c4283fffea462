"""What waits for one connection: bounded in bytes and messages, with a policy for what no longer fits. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from plumbline.streaming.core.settings import Overflow


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
    """

    frame: bytes
    channel: str | None
    at: float


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
        self._newest_only = False  # since `latest` met a full queue: messages are keyed by channel
        self.queued_bytes = 0
        self.in_flight = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items) if self._items else 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait: whole frames, and what is left of the half-written one."""
        return self.queued_bytes + self.in_flight

    def fits(self, size: int, limits: Limits) -> bool:
        """Say whether a frame of `size` bytes fits as it is, with nothing dropped."""
        return self.waiting_bytes + size <= limits.max_bytes and len(self) < limits.max_messages

    def offer(self, item: Item, limits: Limits, policy: Overflow) -> bool:
        """Queue a frame, making room as the policy says.

        Returns:
            False if there is no room and the policy allows none to be made: the connection has to be closed (or, with
            `wait`, should not have been offered it).
        """
        if self._newest_only and policy is Overflow.LATEST and item.channel is not None:
            self._drop(item.channel)
        if not self.fits(len(item.frame), limits):
            if policy in (Overflow.DISCONNECT, Overflow.WAIT):
                return False
            self._make_room(len(item.frame), limits, policy, item.channel)
            if not self.fits(len(item.frame), limits):
                self.dropped += item.channel is not None
                return item.channel is not None
        self._append(item, policy)
        return True

    def trim(self, limits: Limits, policy: Overflow) -> bool:
        """Apply limits or a policy that changed while frames wait; False if the connection has to be closed."""
        if policy is Overflow.WAIT or self._within(limits):
            return True
        if policy is Overflow.DISCONNECT:
            return False
        if policy is Overflow.LATEST:
            self._keep_newest()
        self._drop_oldest_until(lambda: self._within(limits))
        return self._within(limits)

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

    def _within(self, limits: Limits) -> bool:
        return self.waiting_bytes <= limits.max_bytes and len(self) <= limits.max_messages

    def _append(self, item: Item, policy: Overflow) -> None:
        if self._items is None:
            self._items = OrderedDict()
        if policy is not Overflow.LATEST:
            self._newest_only = False
        self._keys += 1
        key = item.channel if self._newest_only and item.channel is not None else self._keys
        self._items[key] = item
        self.queued_bytes += len(item.frame)

    def _make_room(self, size: int, limits: Limits, policy: Overflow, channel: str | None) -> None:
        if policy is Overflow.LATEST:
            self._keep_newest()
            if channel is not None:
                self._drop(channel)
        if size + self.in_flight <= limits.max_bytes:  # else nothing that is dropped would make it fit
            self._drop_oldest_until(lambda: self.fits(size, limits))

    def _keep_newest(self) -> None:
        """Keep of each channel only its newest message, at that message's place."""
        if self._newest_only:
            return
        self._newest_only = True
        old, self._items = self._items or OrderedDict(), OrderedDict()
        self.queued_bytes = sum(len(item.frame) for item in old.values())
        for key, item in old.items():
            if item.channel is not None:
                self._drop(item.channel)
            self._items[key if item.channel is None else item.channel] = item

    def _drop_oldest_until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            oldest = next((key for key, item in (self._items or {}).items() if item.channel is not None), None)
            if oldest is None:
                return
            self._drop(oldest)

    def _drop(self, key: int | str) -> None:
        item = self._items.pop(key, None) if self._items else None
        if item is not None:
            self.queued_bytes -= len(item.frame)
            self.dropped += 1

    def _pop_first(self) -> None:
        if self._items:
            _, item = self._items.popitem(last=False)
            self.queued_bytes -= len(item.frame)
            if not self._items:
                self.clear()
