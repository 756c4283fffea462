"""The newest messages of one channel, bounded three ways. Pure: the clock is passed in."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple

from plumbline.streaming.core.broker import Entry, Past, Position
from plumbline.streaming.core.channel_settings import ChannelSettings
from plumbline.streaming.core.tracing import Traced

# What CPython 3.11 takes on 64 bits, measured: tests/streaming/test_history_cost.py compares them with tracemalloc.
MESSAGE_BYTES = 192
"""What a kept message costs beside its data: the objects that hold it, its number and its moment, and two places."""
TRACE_BYTES = 352
"""What its trace costs."""
CHANNEL_BYTES = 2000
"""What a channel costs that keeps anything: its name, its two rows, and its places in the broker's tables."""


class Bounds(NamedTuple):
    """How much of a channel is kept; whichever is reached first counts.

    Args:
        messages: Messages.
        size: Bytes of their data; what holds it is not counted here.
        seconds: Age of the oldest.
    """

    messages: int
    size: int
    seconds: float

    @classmethod
    def of(cls, rule: ChannelSettings) -> Bounds:
        """Return the bounds that a channel's rule sets."""
        return cls(rule.history_messages, rule.history_bytes, rule.history_s)


class History:
    """One channel: its epoch, its head, and the messages up to it that are still known.

    What is kept has no hole and ends with the head, so it can be told whether it reaches back to a position.

    Args:
        epoch: Text that no earlier row of offsets of this channel had.
    """

    __slots__ = ("_kept", "_times", "cost", "epoch", "offset", "size")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.offset = 0
        self.size = 0  # bytes of data that are kept
        self.cost = 0  # bytes of memory that they take, with all that holds them
        # None until there is something to keep: most channels of a large gateway are quiet.
        self._kept: deque[Entry] | None = None
        self._times: deque[float] | None = None

    def __len__(self) -> int:
        return len(self._kept) if self._kept else 0

    @property
    def head(self) -> Position:
        """Where the channel stands."""
        return Position(self.epoch, self.offset)

    def append(self, data: bytes, bounds: Bounds, now: float) -> Position:
        """Add a message and return its position."""
        self.offset += 1
        if bounds.messages:
            if self._kept is None or self._times is None:
                self._kept, self._times = deque(), deque()
                self.cost = CHANNEL_BYTES
            self._kept.append(Entry(self.offset, data))
            self._times.append(now)
            self.size += len(data)
            self.cost += _cost(data)
        self.trim(bounds, now)
        return Position(self.epoch, self.offset)

    def trim(self, bounds: Bounds, now: float) -> None:
        """Forget what is too much or too old."""
        kept, times = self._kept, self._times
        if kept is None or times is None:
            return
        while kept and (len(kept) > bounds.messages or self.size > bounds.size or now - times[0] > bounds.seconds):
            self.drop_oldest()

    def drop_oldest(self) -> int:
        """Forget the oldest message and return the bytes of memory that this gives back; 0 if there is none."""
        if not self._kept or not self._times:
            return 0
        data, before = self._kept.popleft().data, self.cost
        self._times.popleft()
        self.size -= len(data)
        self.cost -= _cost(data)
        if not self._kept:
            self._kept = self._times = None
            self.cost = 0
        return before - self.cost

    def past(self, since: Position | None, limit: int, bounds: Bounds, now: float, *, part: bool = False) -> Past:
        """Return what came after `since`: all of it (a `part`: the first `limit` messages), or nothing.

        With None it is the newest `limit` messages.
        """
        self.trim(bounds, now)
        known = len(self)
        if since is None:
            return Past(self.head, self._last(min(limit, known)), recovered=True)
        missed = self.offset - since.offset
        if since.epoch != self.epoch or not 0 <= missed <= known or (missed > limit and not part):
            return Past(self.head, (), recovered=False)
        return Past(self.head, self._last(missed, limit), recovered=True)

    def _last(self, count: int, limit: int | None = None) -> tuple[Entry, ...]:
        """Return the newest `count` messages, oldest first; of them only the first `limit`."""
        kept = self._kept
        if not kept:
            return ()
        if limit is None or limit >= count:
            return tuple(islice(reversed(kept), count))[::-1]
        begin = len(kept) - count
        return tuple(islice(kept, begin, begin + limit))


def _cost(data: bytes) -> int:
    return len(data) + MESSAGE_BYTES + (TRACE_BYTES if isinstance(data, Traced) else 0)
