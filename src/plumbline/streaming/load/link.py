"""One connection of the generator: what it reads, how its accounts stand, and what the server tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.streaming.load.dialects.base import (
    Answer,
    Delivery,
    Ended,
    Event,
    Position,
    Ready,
    Refused,
    Return,
    Say,
    Stored,
    Subscribed,
)
from plumbline.streaming.load.ledger import Reading
from plumbline.streaming.load.wire import Stage, Wire

if TYPE_CHECKING:
    from plumbline.streaming.load.crew import Crew
    from plumbline.streaming.load.plan import Role


class Link(Wire):
    """A connection, over all its reconnects.

    Args:
        crew: All connections of this process.
        role: What it reads.
    """

    __slots__ = (
        "began_at",
        "deliveries",
        "left_at",
        "needed",
        "reads",
        "replays",
        "slow",
        "subscribed",
        "wanted",
        "was_slow",
    )

    def __init__(self, crew: Crew, role: Role) -> None:
        super().__init__(crew, role)
        self.reads = {channel: Reading(latest=mode == "latest") for channel, mode in role.reads}
        self.slow = self.was_slow = False
        self.wanted = False  # it has been up, and did not leave by its own will
        self.deliveries = crew.deliveries
        self.replays: dict[str, int] | None = None  # last offset that recovery owes, by channel
        self.began_at = 0.0
        self.left_at: float | None = None  # when it was lost, until it is up again

    def clear(self) -> None:
        """Begin anew, for the next socket."""
        super().clear()
        self.needed = self.subscribed = 0

    def opened(self) -> None:
        """Greet, and subscribe unless the server greets first."""
        self.stage = Stage.GREETING
        greeting = self.crew.dialect.greeting(self.role.number)
        if greeting:
            self.say(greeting)
        if not self.crew.dialect.greets:
            self._greeted()

    def _greeted(self) -> None:
        """Subscribe to everything, from where each account stands."""
        if self.stage != Stage.GREETING:
            return
        self.stage = Stage.SUBSCRIBING
        dialect, version = self.crew.dialect, self.crew.version
        for number, (channel, reading) in enumerate(self.reads.items()):
            since = Position(reading.epoch, reading.following - 1) if reading.following is not None else None
            asked = dialect.subscribe(
                number, channel, since if dialect.numbered else None, "latest" if reading.latest else "all", version
            )
            if asked:
                self.needed += 1
                self.say(asked)
        self._stand()

    def _stand(self) -> None:
        if self.stage == Stage.SUBSCRIBING and self.subscribed >= self.needed:
            self.stage = Stage.UP
            self.attempts = 0
            self.crew.stands(self)

    def event(self, event: Event, now_us: int) -> None:
        """The server said something."""
        match event:
            case Delivery():
                self.delivered(event, now_us)
            case Answer(stamp):
                self.crew.answered(stamp, now_us)
            case Subscribed():
                self._subscribed(event)
            case Stored(number, position):
                self.stored(number, position, now_us)
            case Ready(version):
                self._ready(version)
            case Refused(number, code):
                self.refused(number, code)
            case Ended(channel, code):
                self._resubscribe(channel, code)
            case Return(after_s):
                self.crew.asked_to_return(self, after_s)
            case Say():
                self.say(event.payload)

    def _ready(self, version: int) -> None:
        self.crew.version = version
        if self.crew.dialect.greets:
            self._greeted()

    def delivered(self, delivery: Delivery, now_us: int) -> None:
        """A message came in: note its latency, and its position in the account."""
        channel, offset, stamp = delivery
        reading = self.reads.get(channel)
        if reading is None:
            return
        position = stamp.sequence if offset is None else offset
        if self.replays is not None and position <= self.replays.get(channel, 0):
            self.crew.recorder.note(stamp.phase, "replayed", now_us - stamp.due_us)
        else:
            self.deliveries[stamp.phase].append(now_us - stamp.due_us)
        if position == reading.following:  # as `Reading.arrived` does it, without the call
            reading.following = position + 1
            reading.delivered += 1
        else:
            reading.arrived(position)

    def _subscribed(self, event: Subscribed) -> None:
        number = self.subscribed if event.number < 0 else event.number
        self.subscribed += 1
        channel, reading = list(self.reads.items())[number % len(self.reads)]
        if event.position is not None:
            epoch, head = event.position
            if event.recovered and reading.following is not None and head >= reading.following:
                self.replays = (self.replays or {}) | {channel: head}
            reading.begin(epoch, head, event.recovered)
        elif not self.crew.speaking:  # nothing has been published: the first message is the first
            reading.expect(1)
        self.crew.recovered(event.recovered)
        self._stand()

    def _resubscribe(self, channel: str, code: str) -> None:
        """The server ended one subscription: ask for it again, from where the account stands."""
        self.crew.ended[code] += 1
        reading = self.reads.get(channel)
        if reading is not None:
            since = Position(reading.epoch, reading.following - 1) if reading.following is not None else None
            number = list(self.reads).index(channel)
            mode = "latest" if reading.latest else "all"
            self.say(self.crew.dialect.subscribe(number, channel, since, mode, self.crew.version))

    def lost(self, code: str) -> None:
        """Tell the crew; whether it comes back is theirs to say."""
        self.crew.gone(self, code)

    def leave(self) -> None:
        """Close from this side, without the closing handshake: as a client that is switched off does."""
        self.leaving = True
        if self.transport is not None:
            self.transport.abort()

    def sleep(self, *, on: bool) -> None:
        """Stop reading, or go on."""
        self.slow = on
        self.was_slow = self.was_slow or on
        self.deliveries = self.crew.slow_deliveries  # for good: its backlog comes after it woke up
        if self.transport is not None and self.stage == Stage.UP:
            (self.transport.pause_reading if on else self.transport.resume_reading)()

    def stored(self, number: int, position: Position | None, now_us: int) -> None:
        """A publish was acknowledged; readers publish nothing."""

    def refused(self, number: int | None, code: str) -> None:
        """The server refused something."""
        del number
        self.crew.refusals[code] += 1
        if self.stage in (Stage.GREETING, Stage.SUBSCRIBING):
            self.drop(code)
