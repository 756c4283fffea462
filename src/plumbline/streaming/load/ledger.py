"""Delivered against expected: one account for every reader of every channel, kept by position. Pure values.

A position is the server's offset, or the publisher's own sequence number where the server has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

MOST_MISSING = 100_000  # holes that are kept one by one; beyond it they are only counted


@dataclass(slots=True)
class Totals:
    """What an account, or many of them, came to; all in messages.

    Args:
        expected: Published and taken by the server while the reader was subscribed, or was to recover.
        delivered: Arrived, each counted once.
        lost: Expected and never arrived.
        duplicated: Arrived again.
        reordered: Arrived after a later one of the same channel.
        unrecovered: Of the lost ones, those that the server owned up to with `recovered: false`.
        skipped: Not delivered to readers that asked for the newest message only; never lost.
    """

    expected: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    unrecovered: int = 0
    skipped: int = 0

    def add(self, other: Totals) -> None:
        """Add another account to this one."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(slots=True)
class Reading:
    """One reader's account of one channel.

    Args:
        following: The next position that is due; None before the first is known.
        epoch: In which the positions count.
        latest: The reader asked for the newest message only: holes are no loss.
    """

    following: int | None = None
    epoch: str = ""
    latest: bool = False
    began: int | None = None
    delivered: int = 0
    duplicated: int = 0
    reordered: int = 0
    unrecovered: int = 0
    missing: set[int] | None = None
    overflow: int = 0
    earlier: list[Reading] | None = None  # accounts of earlier epochs

    def begin(self, epoch: str, head: int, recovered: bool | None) -> None:
        """Note that the subscription stands: what comes after `head` is due, unless recovery owes more."""
        if self.following is None:
            self._start(epoch, head + 1)
        elif epoch != self.epoch:
            self._turn_over(epoch)
            self._jump(head)  # the new epoch's first messages came while this reader was away
        elif not recovered:
            self._jump(head)

    def expect(self, position: int) -> None:
        """Say which position is the first, for servers that do not."""
        if self.following is None:
            self._start("", position)

    def arrived(self, position: int) -> None:
        """Note a message."""
        if position == self.following:
            self.following = position + 1
            self.delivered += 1
            return
        if self.following is None:
            self._start("", position)
            self.arrived(position)
        elif position > self.following:
            if not self.latest:
                self._miss(range(self.following, position))
            self.following = position + 1
            self.delivered += 1
        elif self.missing and position in self.missing:
            self.missing.discard(position)
            self.reordered += 1
            self.delivered += 1
        elif self.began is not None and position >= self.began:
            self.duplicated += 1

    def totals(self, heads: Mapping[str, int]) -> Totals:
        """Close the account.

        Args:
            heads: The last position that the server took in this channel, by epoch.
        """
        whole = Totals()
        for account in (*(self.earlier or ()), self):
            whole.add(account._now(heads.get(account.epoch)))  # noqa: SLF001 - its own kind
        return whole

    def behind(self, heads: Mapping[str, int]) -> bool:
        """Return True while a message of the present epoch may still come."""
        if self.following is None:
            return False
        return self.following <= heads.get(self.epoch, 0) or len(self.missing or ()) > self.unrecovered

    def _turn_over(self, epoch: str) -> None:
        """Put the account of the epoch that ended away, and begin a new one."""
        self.earlier = [*(self.earlier or ()), replace(self, earlier=None)]
        self.delivered = self.duplicated = self.reordered = self.unrecovered = self.overflow = 0
        self.missing = None
        self._start(epoch, 1)

    def _jump(self, head: int) -> None:
        """Go on after `head`; what lies before it will not come, and the server said so."""
        hole = range(self.following or 0, head + 1)
        if hole:
            if not self.latest:
                self.unrecovered += len(hole)
                self._miss(hole)
            self.following = head + 1

    def _start(self, epoch: str, position: int) -> None:
        self.epoch = epoch
        self.began = self.following = position

    def _miss(self, hole: range) -> None:
        if self.missing is None:
            self.missing = set()
        room = max(0, MOST_MISSING - len(self.missing))
        self.missing.update(hole[:room])
        self.overflow += len(hole[room:])

    def _now(self, head: int | None) -> Totals:
        if self.following is None or self.began is None:
            return Totals()
        end = max(self.following, (head or 0) + 1)
        expected = max(0, end - self.began)
        gone = len(self.missing or ()) + self.overflow + end - self.following
        if self.latest:
            return Totals(expected, self.delivered, 0, self.duplicated, self.reordered, 0, expected - self.delivered)
        return Totals(expected, self.delivered, gone, self.duplicated, self.reordered, min(self.unrecovered, gone))


def total(accounts: list[Totals]) -> Totals:
    """Return the sum."""
    whole = Totals()
    for one in accounts:
        whole.add(one)
    return whole


@dataclass(slots=True)
class Heads:
    """Where each channel stands, as its publishers were told, and what became of their messages.

    Args:
        last: Last position taken, by channel and epoch.
        taken: Messages that the server acknowledged (all that were sent, where it acknowledges nothing).
        refused: Messages that it refused, by its own word for why.
    """

    last: dict[str, dict[str, int]] = field(default_factory=dict)
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def take(self, channel: str, epoch: str, position: int) -> None:
        """Note that the server took a message at this position."""
        self.taken += 1
        epochs = self.last.setdefault(channel, {})
        epochs[epoch] = max(position, epochs.get(epoch, 0))
