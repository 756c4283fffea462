"""From the broker to readers: each message once to each, and who waits while a reader is slow."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from plumbline.streaming.core import answers
from plumbline.streaming.core.broker import Broker, BrokerError, Position
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.entrance import Entrance
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.positions import Positions
from plumbline.streaming.core.rules import Resolved
from plumbline.streaming.core.setting_kinds import Overflow
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.core.stream import Stream
from plumbline.streaming.core.streams import Streams
from plumbline.streaming.core.subscriptions import Subscriptions
from plumbline.streaming.core.tracing import Traced
from plumbline.streaming.server import log
from plumbline.streaming.server.connection import write_to_all
from plumbline.streaming.server.listener import Listener
from plumbline.streaming.server.presence import Presence
from plumbline.streaming.server.run import Run
from plumbline.streaming.server.telemetry import MessageSpan, Telemetry
from plumbline.streaming.server.writing import Writing

ENVELOPE_BYTES = 512  # more than any answer or message adds around the client's own text
INSUFFICIENT_STATE = "insufficient-state"


class Owner(Protocol):
    """What the fan-out needs of the gateway."""

    settings: Settings
    rules: Resolved
    counters: Counters
    telemetry: Telemetry | None
    turn: int

    def now(self) -> float:
        """Return the clock in seconds."""

    def soon(self, callback: Callable[[], None]) -> None:
        """Call this when the current callback is done."""

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call this after that time."""

    def begin_turn(self) -> None:
        """Messages are about to be written: see that what is joined goes out at the end of this turn."""


class Fanout:
    """The hub's channels and their readers.

    Args:
        owner: The gateway.
        broker: Who keeps the channels.
    """

    def __init__(self, owner: Owner, broker: Broker) -> None:
        self._owner = owner
        self.broker = broker
        self._run: Run | None = None  # what came in this turn
        self.traced: dict[str, set[Writing]] = {}  # who asked for the messages' traces, by channel
        self.span: MessageSpan | None = None  # of the message that is being published, while the broker is told
        self.subscriptions: Subscriptions[Any] = Subscriptions()
        settings = owner.settings
        self.streams: Streams[Any] = Streams(self, broker, owner.rules, settings.recovery_buffer_messages)
        self.positions = Positions(self.streams, broker, owner.counters, self._gap)
        self.presence = Presence(self)

    @property
    def owner(self) -> Owner:
        """The gateway."""
        return self._owner

    @property
    def rules(self) -> Resolved:
        """What holds for which channel."""
        return self._owner.rules

    def configure(self) -> None:
        """Take over changed settings."""
        self.streams.configure(self.rules, self._owner.settings.recovery_buffer_messages)
        self.positions.configure(self.now())

    def check(self, now: float) -> None:
        """Do what is due: compare positions, detach what nobody reads, name who is present."""
        self.positions.check(now)
        self.streams.tidy(now)
        self.presence.check(now)

    # What the streams call.

    def now(self) -> float:
        """Return the clock in seconds."""
        return self._owner.now()

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call this after that time."""
        self._owner.later(seconds, callback)

    def publish(
        self,
        channel: str,
        data: bytes,
        key: str | None,
        done: Callable[[Position | BrokerError], None],
        trace: str | None = None,
    ) -> None:
        """Have the broker store a message; a sample of them is traced."""
        telemetry = self._owner.telemetry
        span = None if telemetry is None else telemetry.message(self.rules, channel, len(data), trace)
        if span is None:
            self.broker.publish(channel, Traced.of(data, trace), key, done)
            return

        def stored(told: Position | BrokerError) -> None:
            if isinstance(told, BrokerError):
                span.failed(told.code)
            else:
                span.stored(told.offset)
            done(told)

        self.span = span
        try:
            self.broker.publish(channel, Traced.of(data, span.traceparent), key, stored)
        finally:
            self.span = None
        span.fanned_out()

    def deliver(self, stream: Stream[Any], position: Position, data: bytes) -> None:
        """Send a message to all readers, at the end of this turn; its bytes are made once for all of them."""
        newest = stream.newest
        count = len(stream.readers) + (len(newest) if newest else 0)
        if not count:
            return
        owner = self._owner
        owner.counters.deliveries += count
        if self.span is not None:
            self.span.readers += count
        run = self._run
        if run is None or run.stream is not stream or run.full:
            self.settle()
            owner.begin_turn()
            run = self._run = Run(stream)
        run.add(Message.published(stream.name, position, data))

    def settle(self) -> None:
        """Send what came in this turn now: its readers are about to change, or to hear something else."""
        run, self._run = self._run, None  # sending may close a reader, and come back here
        if run is None:
            return
        now = self._owner.now()
        asked, readers = self.traced.get(run.stream.name, ()), tuple(run.stream.readers)
        if asked:
            traced = run.with_traces()
            for reader in readers:
                reader.take(traced if reader in asked else run, now)
        else:
            write_to_all(readers, run, now, self._owner.turn)
        newest = run.stream.newest
        if newest:
            message = run.messages[-1].for_newest_only()
            self._owner.counters.coalesced += len(newest) * (len(run.messages) - 1)
            for reader in tuple(newest):
                reader.deliver(message.with_trace if reader in asked else message, now)

    def before(self, connection: Writing) -> None:
        """Keep the order: this reader is about to hear something else than what came in this turn."""
        run = self._run
        if run is not None and (connection in run.stream.readers or connection in (run.stream.newest or ())):
            self.settle()

    def end(self, stream: Stream[Any], because: str) -> None:
        """End the subscriptions of all readers; they may come back at once and recover."""
        self.settle()
        log.event(logging.WARNING, "subscriptions ended", channel=stream.name, readers=len(stream), because=because)
        for reader in stream.everybody:
            if isinstance(reader, Writing):
                self.end_subscription(reader, stream.name, INSUFFICIENT_STATE, because, again=True)

    def behind(self, stream: Stream[Any], head: Position) -> None:
        """Look whether the stream gets there."""
        self.positions.suspect(stream.name, head, self.now())

    def interrupted(self, channel: str | None, because: str) -> None:
        """Count it."""
        self._owner.counters.interruptions += 1
        log.event(logging.WARNING, "broker interrupted", channel=channel or "all", because=because)

    # What the gateway calls.

    def listen(self, channel: str, heard: Callable[[Position, bytes], None]) -> Callable[[], None]:
        """Read a channel inside of this process, from now on; returns what ends it."""
        reader = Listener(heard)

        def begin(*_: object) -> bool:
            self.settle()  # what came before is not for it
            return True

        entrance: Entrance[Any] = Entrance(reader, None, newest_only=False, begin=begin, refuse=lambda _: None)
        self.streams.enter(channel, entrance)

        def stop() -> None:
            stream = self.streams.find(channel)
            if stream is not None:
                self.settle()
                stream.drop(reader)
                self.streams.left(stream)

        return stop

    def leave(self, connection: Writing) -> None:
        """End all subscriptions of a connection that is closed, or about to be."""
        for name in self.subscriptions.leave(connection):
            self._drop(connection, name)

    def unsubscribe(self, connection: Writing, channel: str) -> bool:
        """End one subscription; False if there was none."""
        if not self.subscriptions.remove(connection, channel):
            return False
        self._drop(connection, channel)
        return True

    def end_subscription(self, connection: Writing, channel: str, code: str, sentence: str, *, again: bool) -> None:
        """End one subscription, and say so."""
        if self.unsubscribe(connection, channel):
            self._owner.counters.ended[code] += 1
            connection.deliver(Message(answers.ended(channel, code, sentence, again=again)), self.now())

    def slowest(self, channel: str, size: int) -> Writing | None:
        """Return a reader whose queue has no room for `size` bytes of data, if publishers are to wait for readers.

        A reader that others wait for already counts as full: a small message must not overtake a large one for ever.
        """
        stream = self.streams.find(channel)
        if stream is None or stream.rule.overflow is not Overflow.WAIT:
            return None
        size += ENVELOPE_BYTES
        run = self._run
        if run is not None and run.stream is stream:  # those of this turn go first, and must fit together with it
            count = len(run.messages)
            if _full(stream, size + run.size + ENVELOPE_BYTES * count, count + 1) is None:
                return None
            self.settle()
        return _full(stream, size, 1)

    def wait_for(self, slow: Writing, wake: Callable[[], None]) -> None:
        """Call `wake` once, when this reader has written something, is gone, or the settings changed."""
        if slow.waiters is None:
            slow.waiters = deque()
        slow.waiters.append(wake)

    def catch_up(self, slow: Writing, go_on: Callable[[], None]) -> None:
        """Call `go_on` as `wait_for` does, but for the reader's own sake: publishers do not wait behind it."""
        if slow.replays is None:
            slow.replays = deque()
        slow.replays.append(go_on)

    def wake(self, slow: Writing) -> None:
        """Let those who wait for this reader try again; not at once, for a message may be half way to its readers."""
        waiters, slow.waiters = slow.waiters, None
        replays, slow.replays = slow.replays, None
        for waiter in (*(waiters or ()), *(replays or ())):
            self._owner.soon(waiter)

    def _drop(self, connection: Writing, channel: str) -> None:
        self.settle()
        self.presence.leave(connection, channel)
        if channel in self.traced:
            self.traced[channel].discard(connection)
            if not self.traced[channel]:
                del self.traced[channel]
        stream = self.streams.find(channel)
        if stream is not None:
            stream.drop(connection)
            self.streams.left(stream)

    def _gap(self, channel: str, at: Position, head: Position) -> None:
        log.event(
            logging.WARNING,
            "position gap",
            channel=channel,
            epoch=at.epoch,
            offset=at.offset,
            head_epoch=head.epoch,
            head_offset=head.offset,
        )


def _full(stream: Stream[Any], size: int, messages: int) -> Writing | None:
    return next((reader for reader in stream.readers if reader.waiters or not reader.has_room(size, messages)), None)
