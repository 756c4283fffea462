"""How a subscription begins: the answer, what was missed, and then everything new, with nothing between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plumbline.streaming.core import answers
from plumbline.streaming.core.broker import BrokerError, Entry, Position
from plumbline.streaming.core.commands import Mode, RequestError, Subscribe
from plumbline.streaming.core.entrance import Entrance
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.subscriptions import TooManySubscriptionsError
from plumbline.streaming.server.fanout import ENVELOPE_BYTES, Fanout
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

    __slots__ = ("_command", "_connection", "_entrance", "_fanout", "_reply")

    def __init__(self, fanout: Fanout, connection: Writing, command: Subscribe, reply: Reply) -> None:
        self._fanout = fanout
        self._connection = connection
        self._command = command
        self._reply = reply
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
        connection, command, owner = self._connection, self._command, self._fanout.owner
        messages = [
            Message.published(command.channel, Position(at.epoch, entry.offset), entry.data) for entry in missed
        ]
        if messages and not self._has_room(messages):
            if connection.outbox.queued_bytes:
                self._fanout.wait_for(connection, self._room)
                return False
            messages, recovered = [], False  # more than its queue may ever hold
        owner.begin_turn()
        now = owner.now()
        if recovered is not None:
            owner.counters.recoveries["recovered" if recovered else "failed"] += 1
        asked = command.request is not None or recovered is not None
        told = answers.subscribed(command.request, command.channel, at, recovered, len(messages))
        self._reply(told if asked else None)
        owner.counters.replayed += len(messages)
        for message in messages:
            connection.deliver(message, now)
        self._fanout.positions.watch(command.channel, now)
        if command.join:
            self._fanout.presence.join(connection, command.channel)
        return True

    def _room(self) -> None:
        stream = self._fanout.streams.find(self._command.channel)
        if stream is not None:
            stream.room(self._entrance)

    def _has_room(self, messages: Sequence[Message]) -> bool:
        connection, limits = self._connection, self._connection.owner.limits
        size = sum(len(message.payload) for message in messages) + ENVELOPE_BYTES * (1 + len(messages) // 16)
        return connection.has_room(size) and len(connection.outbox) + len(messages) < limits.max_messages

    def _refuse(self, error: BrokerError) -> None:
        self._fanout.unsubscribe(self._connection, self._command.channel)
        self._fanout.owner.counters.broker_errors[error.code] += 1
        self._reply(unavailable(error, self._command.request))


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
