"""Who is in a channel: named to the broker again and again, and told to those who joined."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from plumbline.streaming.core import answers
from plumbline.streaming.core.broker import Broker, BrokerError, Member, Position
from plumbline.streaming.core.jsontext import to_json
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.rules import Resolved
from plumbline.streaming.core.setting_kinds import Announce
from plumbline.streaming.server.writing import Writing

COMPANION = "$presence:"
"""In front of a channel's name: the gateway's own channel in which nodes tell each other who comes and goes."""


class Surroundings(Protocol):
    """What presence needs of the fan-out."""

    broker: Broker

    @property
    def rules(self) -> Resolved:
        """What holds for which channel."""

    @property
    def owner(self) -> Any:
        """The gateway."""

    def settle(self) -> None:
        """Send what came in this turn."""

    def listen(self, channel: str, heard: Callable[[Position, bytes], None]) -> Callable[[], None]:
        """Read a channel inside of this process."""


class _Room:
    """One channel with members of this node."""

    __slots__ = ("known", "listed", "local", "stop")

    def __init__(self) -> None:
        self.local: dict[Writing, Member] = {}
        self.known: dict[str, Member] = {}  # everywhere, by client
        self.listed = False  # the broker has named those who were there before
        self.stop: Callable[[], None] | None = None


class Presence:
    """Members of all channels, as far as they are connected here.

    Args:
        around: The fan-out.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._rooms: dict[str, _Room] = {}
        self._due = 0.0

    def __len__(self) -> int:
        return sum(len(room.local) for room in self._rooms.values())

    def join(self, connection: Writing, channel: str) -> None:
        """Announce a reader."""
        says = self._around.rules.of(channel).presence
        if says is Announce.OFF:
            return
        identity = connection.identity
        member = Member(identity.client, identity.user, time.time())
        room = self._rooms.get(channel)
        if room is None:
            room = self._rooms[channel] = _Room()
        room.local[connection] = member
        self._around.broker.join(channel, member)
        if says is Announce.EVENTS:
            if room.stop is None:
                room.stop = self._around.listen(COMPANION + channel, partial(self._heard, channel, room))
                self._around.broker.members(channel, partial(self._listed, channel, room))
            self._tell(channel, room, "joined", member)

    def leave(self, connection: Writing, channel: str) -> None:
        """Say that a reader is gone, if it was announced."""
        room = self._rooms.get(channel)
        member = room.local.pop(connection, None) if room is not None else None
        if room is None or member is None:
            return
        self._around.broker.leave(channel, member.client)
        # Not at once: a message may be half way to its readers, and this one would overtake it.
        self._around.owner.soon(partial(self._left, channel, room, member))

    def check(self, now: float) -> None:
        """Name everybody again, and ask who is gone, when it is time."""
        if now < self._due:
            return
        self._due = now + self._around.owner.settings.presence_refresh_s
        broker = self._around.broker
        for channel, room in list(self._rooms.items()):
            for member in list(room.local.values()):
                broker.join(channel, member)
            if room.stop is not None:
                broker.members(channel, partial(self._listed, channel, room))

    def _left(self, channel: str, room: _Room, member: Member) -> None:
        if room.stop is not None:
            self._tell(channel, room, "left", member)
        if not room.local and self._rooms.get(channel) is room:
            del self._rooms[channel]
            if room.stop is not None:
                room.stop()

    def _tell(self, channel: str, room: _Room, what: str, member: Member) -> None:
        """Tell all nodes; with very many members nobody is told, for each of them would hear of each other."""
        if len(room.local) <= self._around.owner.settings.presence_members:
            told = to_json({what: [member.client, member.user, member.since]})
            self._around.broker.publish(COMPANION + channel, told, None, lambda _: None)

    def _heard(self, channel: str, room: _Room, _position: Position, data: bytes) -> None:
        told = json.loads(data)
        if "joined" in told:
            self._came(channel, room, Member(*told["joined"]))
        else:
            self._went(channel, room, Member(*told["left"]))

    def _listed(self, channel: str, room: _Room, told: tuple[Member, ...] | BrokerError) -> None:
        if isinstance(told, BrokerError) or len(told) > self._around.owner.settings.presence_members:
            return
        there = {member.client: member for member in told}
        here = {member.client for member in room.local.values()}
        if not room.listed:
            room.listed = True
            room.known |= {client: member for client, member in there.items() if client not in here}
            return
        for client, member in there.items():
            if client not in here:  # those make themselves known
                self._came(channel, room, member)
        for client, member in list(room.known.items()):
            if client not in there and client not in here:
                self._went(channel, room, member)

    def _came(self, channel: str, room: _Room, member: Member) -> None:
        if member.client not in room.known:
            room.known[member.client] = member
            self._announce(room, member, Message(answers.joined(channel, member), COMPANION + channel))

    def _went(self, channel: str, room: _Room, member: Member) -> None:
        if room.known.pop(member.client, None) is not None:
            self._announce(room, member, Message(answers.left(channel, member), COMPANION + channel))

    def _announce(self, room: _Room, member: Member, message: Message) -> None:
        owner = self._around.owner
        if len(room.local) > owner.settings.presence_members:
            return
        self._around.settle()
        owner.begin_turn()
        now = owner.now()
        for connection, itself in list(room.local.items()):
            if itself.client != member.client:
                connection.deliver(message, now)
