"""Who reads which channel, and where each channel stands. Pure: readers are any hashable values."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from plumbline.streaming.core.broker import Position

R = TypeVar("R", bound=Hashable)


class TooManySubscriptionsError(Exception):
    """The reader has as many subscriptions as it may have."""


class _Channel(Generic[R]):
    __slots__ = ("epoch", "offset", "readers")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.offset = 0
        self.readers: dict[R, None] = {}  # a set that keeps the order of subscribing


class Channels(Generic[R]):
    """All channels.

    Args:
        epoch: Text that no other run of the gateway used.
        max_channels: Channels to remember. Those with readers are never forgotten; of the others the one that has been
            without for longest goes first.
    """

    def __init__(self, epoch: str, max_channels: int) -> None:
        self.max_channels = max_channels
        self._epoch = epoch
        self._made = 0
        self._channels: dict[str, _Channel[R]] = {}
        self._unread: OrderedDict[str, None] = OrderedDict()  # without readers, longest first
        self._of: dict[R, set[str]] = {}

    def __len__(self) -> int:
        return len(self._channels)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are in all."""
        return sum(map(len, self._of.values()))

    def subscribe(self, reader: R, name: str, limit: int) -> Position:
        """Add a reader; a second time changes nothing.

        Raises:
            TooManySubscriptionsError: It reads `limit` channels already.
        """
        mine = self._of.get(reader, set())
        if name not in mine and len(mine) >= limit:
            raise TooManySubscriptionsError
        channel = self._channel(name)
        self._unread.pop(name, None)
        channel.readers[reader] = None
        self._of.setdefault(reader, mine).add(name)
        return Position(channel.epoch, channel.offset)

    def unsubscribe(self, reader: R, name: str) -> bool:
        """Remove a reader from one channel; False if it did not read it."""
        mine = self._of.get(reader, set())
        if name not in mine:
            return False
        mine.remove(name)
        if not mine:
            del self._of[reader]
        self._drop(reader, name)
        return True

    def leave(self, reader: R) -> None:
        """Remove a reader from all its channels."""
        for name in self._of.pop(reader, ()):
            self._drop(reader, name)

    def of(self, reader: R) -> list[str]:
        """Return the channels that it reads."""
        return sorted(self._of.get(reader, ()))

    def readers(self, name: str) -> Collection[R]:
        """Return the channel's readers in the order of subscribing; a view, not a copy."""
        channel = self._channels.get(name)
        return channel.readers.keys() if channel else ()

    def next_offset(self, name: str) -> int:
        """Count one more message of the channel and return its offset."""
        channel = self._channel(name)
        channel.offset += 1
        return channel.offset

    def _channel(self, name: str) -> _Channel[R]:
        channel = self._channels.get(name)
        if channel is None:
            self._made += 1
            channel = self._channels[name] = _Channel(f"{self._epoch}.{self._made}")
            self._unread[name] = None
            self._forget(keep=name)
        return channel

    def _drop(self, reader: R, name: str) -> None:
        channel = self._channels[name]
        del channel.readers[reader]
        if not channel.readers:
            self._unread[name] = None
            self._forget(keep=name)

    def _forget(self, keep: str) -> None:
        while len(self._channels) > self.max_channels and self._unread:
            if next(iter(self._unread)) == keep:  # all others have readers
                return
            oldest, _ = self._unread.popitem(last=False)
            del self._channels[oldest]
