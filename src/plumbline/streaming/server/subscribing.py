"""How a subscription begins: the answer, what was missed, and then everything new, with nothing between them.

What was missed may be more than the client's queue holds. It is sent at the pace at which the client reads, a slice of
history at a time; what is published meanwhile is not queued but taken from history too, until the client is level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from plumbline.streaming.core import answers
from plumbline.streaming.core.broker import BrokerError, Entry, Position
from plumbline.streaming.core.commands import Mode, RequestError, Subscribe
from plumbline.streaming.core.entrance import Entrance
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.subscriptions import TooManySubscriptionsError
from plumbline.streaming.server.fanout import INSUFFICIENT_STATE, Fanout
from plumbline.streaming.server.run import MOST_BYTES, Run
from plumbline.streaming.server.writing import Writing

Reply = Callable[[bytes | RequestError | None], None]
RETRY_S = 1.0  # advice when the broker does not answer


def unavailable(error: BrokerError, request: int | str | None) -> RequestError:
    """Return what a client is told when the broker did not do what it asked for."""
    if error.code == "unavailable":
        return RequestError("unavailable", error.message, request, retry_after_s=RETRY_S)
    if error.code == "too-large":
        return RequestError("too-large", error.message, request)
    return RequestError("refused", error.message, request)


class Subscribing:
    """One connection's subscription to one channel, until it begins.

    Args:
        fanout: Channels and readers.
        connection: Who subscribes.
        command: How.
        reply: Takes the answer.
    """

    __slots__ = ("_answered", "_command", "_connection", "_entrance", "_fanout", "_reply")

    def __init__(self, fanout: Fanout, connection: Writing, command: Subscribe, reply: Reply) -> None:
        self._fanout = fanout
        self._connection = connection
        self._command = command
        self._reply = reply
        self._answered = False
        mode = command.mode or fanout.rules.of(command.channel).mode
        self._entrance: Entrance[Writing] = Entrance(
            connection, command.since, mode is Mode.LATEST, self._begin, self._refuse
        )

    def start(self) -> None:
        """Begin, now or when the broker has answered.

        Raises:
            RequestError: It may not be.
        """
        command, fanout = self._command, self._fanout
        limit = fanout.owner.settings.max_subscriptions
        most = fanout.rules.of(command.channel).max_subscribers
        stream = fanout.streams.find(command.channel)
        if most and stream is not None and len(stream) >= most:
            sentence = f"'{command.channel}' has {most} readers here already (max_subscribers)"
            raise RequestError("channel-full", sentence, command.request)
        try:
            fanout.subscriptions.add(self._connection, command.channel, limit)
        except TooManySubscriptionsError:
            sentence = f"one connection may read {limit} channels (max_subscriptions)"
            raise RequestError("too-many-subscriptions", sentence, command.request) from None
        fanout.streams.enter(command.channel, self._entrance)

    def _begin(self, at: Position, recovered: bool | None, missed: Sequence[Entry]) -> bool:
        self._fanout.settle()  # what came in this turn is for those who were here before
        if recovered is False and self._answered:
            self._end("history no longer holds what was still to be replayed; recover it, or take a snapshot")
            return False
        shelf = self._fanout.streams.shelf
        messages = shelf.messages(self._command.channel, at.epoch, missed)
        if self._command.trace:
            messages = [message.with_trace for message in messages]
        if messages and self._run(messages[:1], 0) is None:
            return self._wait()
        if not self._answered:
            self._answer(at, recovered, messages)
        return self._replay(at, messages)

    def _answer(self, at: Position, recovered: bool | None, messages: Sequence[Message]) -> None:
        command, owner = self._command, self._fanout.owner
        self._answered = True
        if recovered is not None:
            owner.counters.recoveries["recovered" if recovered else "failed"] += 1
        count, since = len(messages), self._entrance.since
        if messages and since is not None and not self._entrance.newest_only:
            count = at.offset - since.offset  # the first of them are at hand; history holds the others
        asked = command.request is not None or recovered is not None
        owner.begin_turn()
        self._reply(answers.subscribed(command.request, command.channel, at, recovered, count) if asked else None)
        self._fanout.positions.watch(command.channel, owner.now())
        if command.join:
            self._fanout.presence.join(self._connection, command.channel)
        if command.trace:
            self._fanout.traced.setdefault(command.channel, set()).add(self._connection)

    def _replay(self, at: Position, messages: Sequence[Message]) -> bool:
        """Send what was missed, as far as there is room for it; True when all of it is sent."""
        connection, owner, entrance = self._connection, self._fanout.owner, self._entrance
        owner.begin_turn()
        now, sent = owner.now(), 0
        while sent < len(messages):
            run = self._run(messages, sent)
            if run is None:
                return self._wait()
            sent += len(run.messages)
            owner.counters.replayed += len(run.messages)
            entrance.since = messages[sent - 1].position
            connection.replay(run, now)
        if not connection.live:
            return False
        if messages and not entrance.newest_only and entrance.since != at:
            entrance.waits = True
            owner.soon(self._go_on)  # others have their turn before the next slice
            return False
        return True

    def _run(self, messages: Sequence[Message], first: int) -> Run | None:
        """Return as many messages as have room now: half of the queue is left to what is live in other channels."""
        connection, limits = self._connection, self._connection.owner.limits
        stream = self._fanout.streams.find(self._command.channel)
        if stream is None:
            return None
        outbox, envelope = connection.outbox, connection.envelope
        room = min(MOST_BYTES, limits.max_bytes // 2 - outbox.waiting_bytes)
        count = limits.max_messages // 2 - len(outbox)
        run = Run(stream)
        for message in islice(messages, first, first + max(count, 0)):
            room -= len(message.payload) + envelope
            if room < 0:
                break
            run.add(message)
        if run.messages:
            return run
        if not connection.blocked:
            connection.flush()
        if connection.blocked:
            return None
        run.add(messages[first])  # nothing waits, and then a message of any size may be in flight
        return run

    def _wait(self) -> bool:
        """Go on when the client has read; until then nothing of the past is held for it."""
        self._entrance.waits = True
        self._entrance.past = None
        if self._connection.live:
            self._fanout.catch_up(self._connection, self._go_on)
        return False

    def _go_on(self) -> None:
        connection = self._connection
        if connection.blocked and connection.outbox.waiting_bytes > connection.owner.limits.max_bytes // 4:
            self._wait()  # rather a few large slices than many small ones
            return
        stream = self._fanout.streams.find(self._command.channel)
        if stream is not None:
            stream.room(self._entrance)

    def _refuse(self, error: BrokerError) -> None:
        self._fanout.owner.counters.broker_errors[error.code] += 1
        if self._answered:
            self._end(f"the rest cannot be replayed now: {error.message}")
            return
        self._fanout.unsubscribe(self._connection, self._command.channel)
        self._reply(unavailable(error, self._command.request))

    def _end(self, sentence: str) -> None:
        connection, channel = self._connection, self._command.channel
        self._fanout.end_subscription(connection, channel, INSUFFICIENT_STATE, sentence, again=True)


def subscribe(fanout: Fanout, connection: Writing, command: Subscribe, reply: Reply) -> None:
    """Carry out a subscription; a second one to the same channel changes nothing.

    Raises:
        RequestError: It may not be.
    """
    if not fanout.subscriptions.has(connection, command.channel):
        Subscribing(fanout, connection, command, reply).start()
        return
    if command.since is not None:
        sentence = f"this connection reads '{command.channel}' already; unsubscribe before you recover"
        raise RequestError("already-subscribed", sentence, command.request)
    stream = fanout.streams.find(command.channel)
    at = stream.position if stream is not None else None
    if command.request is None or at is None:
        reply(None)
    else:
        reply(answers.subscribed(command.request, command.channel, at, None, 0))
