"""What a stream has of one channel, and what of it a reader gets. Pure: the clock is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from plumbline.streaming.cluster.blocks import Block
from plumbline.streaming.core.broker import Entry, Past, Position
from plumbline.streaming.core.history import Bounds


@dataclass(slots=True)
class Kept:
    """Messages of one channel without a hole, up to its head.

    Args:
        birth: The channel's.
        offset: Its head.
        rows: Messages, oldest first, each with the time it was stored, in seconds since 1970.
    """

    birth: str
    offset: int
    rows: list[tuple[Entry, float]] = field(default_factory=list)

    def since(
        self, offset: int, limit: int, bounds: Bounds, now: float, *, part: bool = False
    ) -> tuple[Entry, ...] | None:
        """Return all messages after this offset; None if they are too many, or not all are to be had.

        With `part` they are never too many: the first `limit` are returned.
        """
        missed = self.offset - offset
        if not 0 <= missed <= self._within(bounds, now) or (missed > limit and not part):
            return None
        begin = len(self.rows) - missed
        return tuple(entry for entry, _ in self.rows[begin : begin + limit])

    def newest(self, limit: int, bounds: Bounds, now: float) -> tuple[Entry, ...]:
        """Return the newest messages, oldest first."""
        count = min(limit, self._within(bounds, now))
        return tuple(entry for entry, _ in self.rows[len(self.rows) - count :])

    def missed(self, known: Position) -> tuple[Entry, ...] | None:
        """Return all messages after a position whose epoch is the birth alone; None if not all are to be had."""
        behind = self.offset - known.offset
        if known.epoch != self.birth or not 0 <= behind <= len(self.rows):
            return None
        return tuple(entry for entry, _ in self.rows[len(self.rows) - behind :])

    def _within(self, bounds: Bounds, now: float) -> int:
        """Count the newest messages that keep to the bounds."""
        size = count = 0
        for entry, at in reversed(self.rows):
            size += len(entry.data)
            if count == bounds.messages or size > bounds.size or now - at > bounds.seconds:
                break
            count += 1
        return count


def past_of(
    kept: Kept, epoch: str, since: Position | None, limit: int, bounds: Bounds, now: float, *, part: bool = False
) -> Past:
    """Return the messages after a position, or the newest ones, as a broker answers.

    Args:
        kept: The channel.
        epoch: Its epoch.
        since: The position; None for the newest messages.
        limit: Messages at most.
        bounds: What the channel's rules let clients read.
        now: Seconds since 1970.
        part: The first `limit` messages will do.
    """
    head = Position(epoch, kept.offset)
    if since is None:
        return Past(head, kept.newest(limit, bounds, now), recovered=True)
    entries = kept.since(since.offset, limit, bounds, now, part=part) if since.epoch == epoch else None
    return Past(head, entries or (), recovered=entries is not None)


def gathered(found: Iterable[tuple[Block, float]]) -> Kept | None:
    """Put blocks together, oldest first, each with its time; what does not reach the head unbroken is left out."""
    kept: Kept | None = None
    for block, at in found:
        if kept is None or kept.birth != block.birth or kept.offset != block.before:
            kept = Kept(block.birth, block.before)
        kept.rows.extend((entry, at) for entry in block.entries(block.before))
        kept.offset = block.last
    return kept
