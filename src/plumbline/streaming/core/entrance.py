"""A subscription on its way in: what it missed is looked up, while newer messages go on arriving. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic

from plumbline.streaming.core.broker import BrokerError, Entry, Past, Position
from plumbline.streaming.core.subscriptions import R

MOST_TRIES = 3
"""Times that the past is asked for, when more arrived meanwhile than could be held."""

SLICE = 512
"""Messages that are fetched at once for one who missed many."""

Begin = Callable[[Position, bool | None, Sequence[Entry]], bool]


class Not(Enum):
    """Why the missed messages cannot be named."""

    LOST = "lost"  # history does not reach back, or the row of offsets is another
    AHEAD = "ahead"  # the client knows more than has arrived here; that will change
    AGAIN = "again"  # what arrived meanwhile was too much to hold: ask once more


@dataclass(slots=True, eq=False)
class Entrance(Generic[R]):
    """One subscription that has not begun.

    Args:
        reader: Who subscribes.
        since: The last message that it knows; None if it wants no earlier ones.
        newest_only: It wants at most the newest.
        begin: Called with the channel's position, whether everything missed is there, and the first of the missed
            messages. When it has taken all up to the position it returns True, and the reader is live. Else it has
            moved `since` on to the last that it took, and set `waits`; it is called again after `Stream.room`.
        refuse: Called instead, if the broker cannot say.
        past: What the broker answered.
        tries: How often it was asked in vain.
        waits: For the reader to take what it was given, before more of the past is fetched.
    """

    reader: R
    since: Position | None
    newest_only: bool
    begin: Begin
    refuse: Callable[[BrokerError], None]
    past: Past | None = None
    tries: int = 0
    waits: bool = False

    @property
    def question(self) -> Position | None:
        """What the broker is asked for: everything since this position, or the newest message."""
        return None if self.newest_only else self.since

    def missed(self, at: Position, recent: Iterable[Entry]) -> Sequence[Entry] | Not:
        """Return the messages up to `at` that this client has not seen, or the first of them.

        Args:
            at: Position up to which messages have passed here; newer ones will come to every reader anyway.
            recent: Messages that passed here while the broker was asked, the newest of them at `at`.
        """
        past, since = self.past, self.since
        if past is None or since is None or not past.recovered or past.position.epoch != at.epoch:
            return Not.LOST
        if since.epoch == at.epoch and since.offset > at.offset:
            return Not.AHEAD
        if self.newest_only:
            return self._newest(past, at, recent)
        found = _run(past.entries, since.offset, at.offset)
        reached = found[-1].offset if found else since.offset
        if reached < at.offset:
            found = (*found, *_run(tuple(recent), reached, at.offset))
        if found or since == at:
            return found
        return Not.AGAIN if self.tries < MOST_TRIES else Not.LOST

    def _newest(self, past: Past, at: Position, recent: Iterable[Entry]) -> Sequence[Entry] | Not:
        if past.position.offset > at.offset or at.offset == 0:
            return ()  # it is still on its way here, as every other reader's; or there is none
        known = {entry.offset: entry for entry in (*past.entries, *recent)}
        return (known[at.offset],) if at.offset in known else Not.LOST


def _run(entries: Sequence[Entry], after: int, until: int) -> Sequence[Entry]:
    """Return the entries from `after` + 1 on, without a hole, at most up to `until`."""
    if entries and entries[0].offset == after + 1 and entries[-1].offset == after + len(entries) <= until:
        return entries  # as it nearly always is
    found: list[Entry] = []
    for entry in entries:
        if entry.offset == after + len(found) + 1 <= until:
            found.append(entry)
    return found
