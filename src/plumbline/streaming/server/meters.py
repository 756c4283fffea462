"""How much each client does: over its rates it is refused, and who goes on all the same is closed."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from plumbline.streaming.core.closes import RATE_LIMITED
from plumbline.streaming.core.commands import Authenticate, Command, Id, Publish, RequestError
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.identity import Identity
from plumbline.streaming.core.rates import Buckets, Rate
from plumbline.streaming.core.rules import Resolved
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log

REFUSALS_WITHIN_S = 10.0
AUTH_COST = 20  # commands: checking a signature takes about as long as twenty of them


class Meter:
    """One connection's buckets; each is the time at which it is full again."""

    __slots__ = ("bytes", "commands", "frames", "refusals")

    def __init__(self) -> None:
        self.commands = self.bytes = self.frames = self.refusals = 0.0


class Client(Protocol):
    """What is measured."""

    identity: Identity
    meter: Meter | None

    def deafen(self) -> None:
        """Listen to it no more."""


class Owner(Protocol):
    """What the meters need of the gateway."""

    settings: Settings
    counters: Counters

    def now(self) -> float:
        """Return the clock in seconds."""

    def end(self, connection: Any, code: int, sentence: str) -> int:
        """Close this connection."""


class Meters:
    """The rates of all connections, users and channels.

    Args:
        owner: The gateway.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._users: Buckets[str] = Buckets()
        self._user_bytes: Buckets[str] = Buckets()
        self._channels: Buckets[str] = Buckets()
        self.configure()

    def configure(self) -> None:
        """Take over changed settings."""
        settings = self._owner.settings
        self._commands = settings.rate(settings.commands_per_s)
        self._bytes = settings.rate(settings.bytes_per_s)
        self._frames = settings.rate(settings.frames_per_s)
        self._by_user = settings.rate(settings.user_commands_per_s)
        self._by_user_bytes = settings.rate(settings.user_bytes_per_s)
        self._refusals = Rate(settings.max_refusals / REFUSALS_WITHIN_S, settings.max_refusals)

    def frame(self, client: Client) -> bool:
        """Count a frame; False if the client sends too many and was closed."""
        meter = client.meter
        if meter is None:
            meter = client.meter = Meter()
        meter.frames, wait_s = self._frames.take(meter.frames, self._owner.now())
        if not wait_s:
            return True
        self._owner.counters.limited["frames"] += 1
        self._close(client, "frames", "too many frames")
        return False

    def message(self, client: Client, size: int, commands: int) -> None:
        """Take what a message costs.

        Args:
            client: Who sent it.
            size: Bytes.
            commands: How many commands it holds; 1 if it cannot be read.

        Raises:
            RequestError: `rate-limited`: nothing of it may be carried out.
        """
        now = self._owner.now()
        meter = client.meter
        if meter is None:
            meter = client.meter = Meter()
        meter.bytes, wait_s = self._bytes.take(meter.bytes, now, size)
        self._refuse(client, "bytes", wait_s)
        meter.commands, wait_s = self._commands.take(meter.commands, now, commands)
        self._refuse(client, "commands", wait_s)
        user = client.identity.user
        if user is not None:
            self._refuse(client, "user-bytes", self._user_bytes.take(self._by_user_bytes, user, now, size))
            self._refuse(client, "user-commands", self._users.take(self._by_user, user, now, commands))

    def command(self, client: Client, command: Command, rules: Resolved) -> None:
        """Take what a command costs besides: a signature's check, or one message of a channel's rate.

        Raises:
            RequestError: `rate-limited`.
        """
        if isinstance(command, Authenticate):
            try:
                self.message(client, 0, AUTH_COST)
            except RequestError as refused:
                refused.request = command.request
                raise
        elif isinstance(command, Publish) and (per_s := rules.of(command.channel).publishes_per_s):
            rate = self._owner.settings.rate(per_s)
            wait_s = self._channels.take(rate, command.channel, self._owner.now())
            self._refuse(client, "publishes", wait_s, command.request)

    def _refuse(self, client: Client, limit: str, wait_s: float, request: Id = None) -> None:
        if not wait_s:
            return
        self._owner.counters.limited[limit] += 1
        meter = client.meter
        if meter is None:
            meter = client.meter = Meter()
        meter.refusals, too_many = self._refusals.take(meter.refusals, self._owner.now())
        if too_many:
            self._close(client, limit, "went on after too many refusals")
        raise RequestError("rate-limited", _SENTENCES[limit], request, retry_after_s=wait_s)

    def _close(self, client: Client, limit: str, sentence: str) -> None:
        log.event(logging.WARNING, "client over its rates", connection=client, limit=limit, action="disconnect")
        self._owner.end(client, RATE_LIMITED, sentence)
        client.deafen()


_SENTENCES = {
    "bytes": "this connection sends more bytes than it may (bytes_per_s)",
    "commands": "this connection sends more commands than it may (commands_per_s)",
    "user-bytes": "this user's connections send more bytes than they may (user_bytes_per_s)",
    "user-commands": "this user's connections send more commands than they may (user_commands_per_s)",
    "publishes": "more is published in this channel than may be (publishes_per_s)",
}
