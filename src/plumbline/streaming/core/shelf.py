"""Replayed messages at hand: those who come back together get the same ones, each made once for all of them. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from plumbline.streaming.core.broker import Entry, Past, Position
from plumbline.streaming.core.message import Message

SHELF_BYTES = 16 << 20
"""What all shelves together may hold, estimated: a storm that recovers 16 channels of 1 MiB misses nothing."""
SHELF_S = 5.0
"""Time for which a channel's messages stay at hand that nobody asks for."""
COPIES, OBJECT_BYTES = 3, 500  # a message holds its data, its JSON text and its frame


class _Row:
    """Messages of one channel in one epoch."""

    __slots__ = ("messages", "size", "used_at")

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.size = 0
        self.used_at: float | None = None  # None: since it was last looked at

    def drop_oldest(self) -> int:
        """Forget the message that was put here first, and return its size."""
        message = self.messages.pop(next(iter(self.messages)))
        size = _size(message)
        self.size -= size
        return size


class Shelf:
    """A bounded store of the messages that were replayed a moment ago."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, str], _Row] = OrderedDict()  # used longest ago first
        self.size = 0

    def messages(self, channel: str, epoch: str, entries: Sequence[Entry]) -> list[Message]:
        """Return the messages that everybody gets who is sent these."""
        if not entries:
            return []
        row = self._row(channel, epoch)
        known = row.messages
        found: list[Message] = []
        for entry in entries:
            message = known.get(entry.offset)
            if message is None:
                message = known[entry.offset] = Message.published(channel, Position(epoch, entry.offset), entry.data)
                row.size += (size := _size(message))
                self.size += size
            found.append(message)
        self._limit(row)
        return found

    def past(self, channel: str, since: Position, head: Position, limit: int) -> Past | None:
        """Return the first messages after `since`, if they are at hand; they are immutable, so the broker need not say.

        Args:
            channel: The channel's name.
            since: The position.
            head: Where the channel stands.
            limit: How many at most.
        """
        row = self._rows.get((channel, since.epoch))
        if row is None or since.epoch != head.epoch or since.offset + 1 not in row.messages:
            return None
        row.used_at = None
        found: list[Entry] = []
        for offset in range(since.offset + 1, min(since.offset + limit, head.offset) + 1):
            message = row.messages.get(offset)
            if message is None or message.data is None:
                break
            found.append(Entry(offset, message.data))
        return Past(head, tuple(found), recovered=True)

    def tidy(self, now: float) -> None:
        """Forget what nobody has asked for in a while."""
        for key, row in list(self._rows.items()):
            if row.used_at is None:
                row.used_at = now
            elif now - row.used_at >= SHELF_S:
                del self._rows[key]
                self.size -= row.size

    def _row(self, channel: str, epoch: str) -> _Row:
        key = (channel, epoch)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _Row()
        elif row.used_at is not None:
            row.used_at = None
            self._rows.move_to_end(key)
        return row

    def _limit(self, current: _Row) -> None:
        while self.size > SHELF_BYTES:
            key, oldest = next(iter(self._rows.items()))
            if oldest is current:
                if len(current.messages) == 1:
                    return
                self.size -= current.drop_oldest()
            else:
                del self._rows[key]
                self.size -= oldest.size


def _size(message: Message) -> int:
    return COPIES * len(message.payload) + OBJECT_BYTES
