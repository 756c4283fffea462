"""What each command does: it asks the broker, and what the broker says becomes the client's answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from plumbline.streaming.core import answers
from plumbline.streaming.core.broker import BrokerError, Member, Past, Position
from plumbline.streaming.core.commands import (
    Authenticate,
    Command,
    History,
    Ping,
    Presence,
    Publish,
    RequestError,
    Subscribe,
)
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.setting_kinds import Announce, Publishers
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.fanout import Fanout
from plumbline.streaming.server.guard import Guard
from plumbline.streaming.server.subscribing import Reply, subscribe, unavailable
from plumbline.streaming.server.writing import Writing

T = TypeVar("T")
NAMES: dict[type[Command], str] = {
    Subscribe: "subscribe",
    Publish: "publish",
    History: "history",
    Presence: "presence",
    Authenticate: "auth",
    Ping: "ping",
}


class Owner(Protocol):
    """What the commands need of the gateway."""

    settings: Settings
    counters: Counters
    fanout: Fanout
    guard: Guard

    def now(self) -> float:
        """Return the clock in seconds."""

    def permit(self, connection: Writing, command: Command) -> None:
        """Let a command pass if this client may give it, now.

        Raises:
            RequestError: It may not.
        """


class Verbs:
    """Carries out single commands.

    Args:
        owner: The gateway.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def carry_out(self, connection: Writing, command: Command, reply: Reply) -> None:
        """Begin a command; `reply` is called once, now or later.

        Raises:
            RequestError: It is not carried out.
        """
        owner = self._owner
        owner.permit(connection, command)
        owner.counters.requests[NAMES.get(type(command), "unsubscribe")] += 1
        if isinstance(command, Publish):
            self._publish(connection, command, reply)
        elif isinstance(command, Subscribe):
            subscribe(owner.fanout, connection, command, reply)
        elif isinstance(command, Ping):
            reply(answers.pong(command.request, command.data))
        elif isinstance(command, History):
            self._history(command, reply)
        elif isinstance(command, Presence):
            self._presence(command, reply)
        elif isinstance(command, Authenticate):
            reply(owner.guard.authenticate(connection, command))
        elif owner.fanout.unsubscribe(connection, command.channel):
            reply(None if command.request is None else answers.ok(command.request))
        else:
            sentence = f"this connection does not read '{command.channel}'"
            raise RequestError("not-subscribed", sentence, command.request)

    def _publish(self, connection: Writing, command: Publish, reply: Reply) -> None:
        fanout, counters, request = self._owner.fanout, self._owner.counters, command.request
        who = fanout.rules.of(command.channel).publish
        if who is Publishers.NOBODY or (who is Publishers.USERS and connection.identity.user is None):
            whose = "no client may" if who is Publishers.NOBODY else "only users with a token may"
            raise RequestError("not-allowed", f"{whose} publish in '{command.channel}' (its rule says so)", request)

        def stored(told: Position | BrokerError) -> None:
            if isinstance(told, BrokerError):
                counters.broker_errors[told.code] += 1
                reply(unavailable(told, request))
            else:
                counters.published += 1
                reply(None if request is None else answers.published(request, told))

        fanout.publish(command.channel, command.data, command.key, stored, command.trace)

    def _history(self, command: History, reply: Reply) -> None:
        most = self._owner.settings.history_page
        limit = min(command.limit or most, most)

        def found(past: Past) -> bytes:
            return answers.history(command.request, past, recovered=None if command.since is None else past.recovered)

        self._owner.fanout.broker.past(command.channel, command.since, limit, self._answer(command, reply, found))

    def _presence(self, command: Presence, reply: Reply) -> None:
        fanout, most = self._owner.fanout, self._owner.settings.presence_members
        if fanout.rules.of(command.channel).presence is Announce.OFF:
            sentence = f"'{command.channel}' does not say who is there (presence=off)"
            raise RequestError("no-presence", sentence, command.request)

        def named(members: tuple[Member, ...]) -> bytes:
            return answers.present(command.request, members[:most], len(members))

        fanout.broker.members(command.channel, self._answer(command, reply, named))

    def _answer(
        self, command: Command, reply: Reply, encode: Callable[[T], bytes]
    ) -> Callable[[T | BrokerError], None]:
        """Return what makes an answer of the broker's."""

        def told(answer: T | BrokerError) -> None:
            if isinstance(answer, BrokerError):
                self._owner.counters.broker_errors[answer.code] += 1
                reply(unavailable(answer, command.request))
            else:
                reply(encode(answer))

        return told
