"""One channel of a session: where it stands, and what is under way with the gateway. Pure."""

from __future__ import annotations

from enum import Enum, auto
from random import Random

from plumbline.streaming.client.backoff import Backoff, BackoffPolicy
from plumbline.streaming.client.events import HISTORY_LOST, Gap
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.commands import Mode

ANEW = BackoffPolicy(floor_s=0.02, base_s=0.2, cap_s=15.0, stable_s=10.0)
"""Between two subscriptions to one channel on a connection that stands: a reader too slow for its channel must not
make the gateway read its history again and again."""


class Phase(Enum):
    """What is under way."""

    IDLE = auto()  # nothing was asked for on this connection
    ASKING = auto()  # subscribe is sent, the answer is to come
    LIVE = auto()
    LEAVING = auto()  # unsubscribe is sent, the answer is to come
    HOLDING = auto()  # subscribe again at `retry_at`


class Fate(Enum):
    """What a message's offset says."""

    NEXT = auto()
    DUPLICATE = auto()
    HOLE = auto()  # something before it is missing


class Track:
    """One channel.

    Args:
        channel: Its name.
        since: The last position that is known; None to begin with what comes.
        mode: Every message, or only the newest.
        join: Announce me, and tell me who comes and goes.
    """

    __slots__ = ("_backoff", "channel", "join", "mode", "phase", "position", "redo", "request", "retry_at", "wanted")

    def __init__(self, channel: str, since: Position | None, mode: Mode, *, join: bool) -> None:
        self.channel = channel
        self.position = since
        self.mode = mode
        self.join = join
        self.phase = Phase.IDLE
        self.wanted = True
        self.redo = False  # what was asked for is no longer what is wanted: ask again
        self.request = 0  # id of the command under way
        self.retry_at: float | None = None
        self._backoff: Backoff | None = None

    def fate(self, offset: int) -> Fate:
        """Say what a message with this offset is; the channel must have a position."""
        last = self.position.offset if self.position else offset
        if offset == last + 1:
            return Fate.NEXT
        if offset <= last:
            return Fate.DUPLICATE
        return Fate.NEXT if self.mode is Mode.LATEST else Fate.HOLE

    def resumed(self, head: Position, recovered: object, now: float) -> Gap | None:
        """Take in that the subscription stands, and return the gap if continuity is lost.

        Args:
            head: Where the channel stood when the gateway subscribed.
            recovered: What the gateway says of it.
            now: The clock, in seconds.
        """
        self.phase = Phase.LIVE
        if self._backoff is not None:
            self._backoff.opened(now)
        before = self.position
        if before is not None and recovered is True and head.epoch == before.epoch and head.offset >= before.offset:
            return None  # what was missed follows
        self.position = head
        return None if before is None else Gap(self.channel, before, head, HISTORY_LOST)

    def hold(self, now: float, rng: Random, at_least_s: float = 0.0) -> float:
        """Wait before subscribing again; return until when, on the clock.

        Args:
            now: The clock, in seconds.
            rng: Where chance comes from.
            at_least_s: What the gateway asked for, in seconds.
        """
        self.phase = Phase.HOLDING
        if self._backoff is None:
            self._backoff = Backoff(ANEW, rng)
        self.retry_at = now + at_least_s + self._backoff.next_s(now)
        return self.retry_at

    def disconnected(self) -> None:
        """Forget what was under way on a connection that is gone."""
        self.phase = Phase.IDLE
        self.redo = False
        self.request = 0
        self.retry_at = None
