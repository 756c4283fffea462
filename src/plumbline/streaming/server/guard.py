"""Who is let in, what each client may do, and when its token ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from plumbline.streaming.core import answers
from plumbline.streaming.core.claims import TokenError
from plumbline.streaming.core.closes import AUTH_TIMEOUT, BAD_TOKEN, TOKEN_EXPIRED
from plumbline.streaming.core.commands import Authenticate, Command, History, Presence, Publish, RequestError, Subscribe
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.credentials import presented
from plumbline.streaming.core.deadlines import Deadlines
from plumbline.streaming.core.identity import ANYBODY, NOBODY, Identity
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.permissions import EVERYTHING, Action
from plumbline.streaming.core.request import RefusedError, Request
from plumbline.streaming.core.setting_kinds import SettingError
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log

LONGEST_LOOK_S = 60.0  # a clock that was set is noticed within this time
TOKEN_SETTINGS = frozenset({"token_keys", "token_issuer", "token_audience", "token_leeway_s"})
CODES = {"token-expired": TOKEN_EXPIRED, "bad-token": BAD_TOKEN}


class Client(Protocol):
    """A connection, of whatever transport."""

    identity: Identity

    def deliver(self, message: Message, now: float) -> None:
        """Send it this."""


class Owner(Protocol):
    """What the guard needs of the gateway."""

    settings: Settings
    counters: Counters

    def now(self) -> float:
        """Return the event loop's clock in seconds."""

    def end(self, connection: Any, code: int, sentence: str) -> int:
        """Close this connection."""

    def subscriptions(self, connection: Any) -> Iterable[str]:
        """Return the channels that this connection reads."""

    def end_subscription(self, connection: Any, channel: str, code: str, sentence: str, *, again: bool) -> None:
        """End one of them, and say so."""


class Guard:
    """Checks tokens and permissions, and keeps the times at which tokens end.

    Args:
        owner: The gateway.
        wall: Returns seconds since 1970: what a token's times mean.

    Raises:
        SettingError: A key file cannot be used.
    """

    def __init__(self, owner: Owner, wall: Callable[[], float] = time.time) -> None:
        self._owner = owner
        self._wall = wall
        self._deadlines: Deadlines[Any] = Deadlines()
        self._told: dict[Any, Identity] = {}  # whose end was announced
        self._refused: dict[str, TokenError] = {}  # by client: a script's, that is closed as soon as it is open
        self.keyring = keyring(owner.settings)

    def configure(self, ring: Any) -> None:
        """Take over keys that `keyring` has read before; nobody is dropped."""
        before, self.keyring = self.keyring, ring
        if ring is not None:
            log.event(logging.INFO, "token keys read", keys=len(ring.keys), names=_names(ring))
        elif before is not None:
            log.event(logging.WARNING, "tokens no longer asked for")

    def reload(self) -> dict[str, Any]:
        """Read the key files again.

        Raises:
            SettingError: One cannot be used; the keys stay as they are.
        """
        self.configure(keyring(self._owner.settings))
        return self.keys()

    def keys(self) -> dict[str, Any]:
        """Return which keys are in use, as plain JSON values; never the keys."""
        ring = self.keyring
        listed = () if ring is None else ring.keys
        return {"keys": [{"kid": key.name, "alg": key.algorithm, "file": key.source} for key in listed]}

    def identify(self, request: Request, client: str) -> Identity:
        """Return whom this request is from.

        A WebSocket may show its token later, with `auth`: until then it may do nothing. A wrong token that a browser's
        script sent with a WebSocket is answered after the handshake, with a close code: of the handshake a script
        sees nothing.

        Args:
            request: A handshake, or a plain request.
            client: Id of the connection.

        Raises:
            RefusedError: 401.
        """
        if self.keyring is None:
            return ANYBODY.named(client)
        headers = request.headers
        shown = presented(headers.get("authorization"), request.query, headers.get("sec-websocket-protocol"))
        if shown is None:
            if request.wants_websocket:
                return NOBODY.named(client)
            raise _unauthorized("no-token", "a token is needed: Authorization: Bearer, or ?token=\n")
        try:
            identity: Identity = self.keyring.check(shown.token, self._wall())
        except TokenError as refused:
            self._owner.counters.tokens[refused.reason] += 1
            if request.wants_websocket and shown.by_script:
                self._refused[client] = refused
                return NOBODY.named(client)
            raise _unauthorized(refused.reason, refused.sentence + "\n") from None
        self._owner.counters.tokens["accepted"] += 1
        return identity.named(client)

    def opened(self, connection: Client) -> None:
        """Watch a connection that is open now."""
        identity = connection.identity
        if refused := self._refused.pop(identity.client, None):
            self._owner.end(connection, CODES[refused.reason], refused.sentence)
        elif _nobody(identity):
            self._deadlines.set(connection, self._owner.now() + self._owner.settings.auth_timeout_s)
        elif identity.expires_at is not None:
            self._look_again(connection)

    def gone(self, connection: Client) -> None:
        """Watch it no more."""
        self._deadlines.drop(connection)
        self._told.pop(connection, None)
        self._refused.pop(connection.identity.client, None)

    def demand(self, connection: Client, command: Command) -> None:
        """Let a command pass if this client may give it.

        Raises:
            RequestError: `not-authenticated` or `not-allowed`.
        """
        if connection.identity.permissions is EVERYTHING:  # no tokens are asked for
            return
        for action, channel in _needs(command):
            if connection.identity.permissions.may(action, channel):
                continue
            if _nobody(connection.identity):
                raise RequestError("not-authenticated", "show a token first, with auth", command.request)
            raise RequestError("not-allowed", f"the token does not permit this: {action}", command.request)

    def authenticate(self, connection: Client, command: Authenticate) -> bytes:
        """Take a first or a fresh token, and return the answer.

        Raises:
            RequestError: It is refused. Without an earlier one that still counts, the connection is closed too.
        """
        if self.keyring is None:
            return answers.ok(command.request, expires_in_s=None)
        before = connection.identity
        try:
            identity = self._fresh(before, command.token)
        except TokenError as refused:
            self._owner.counters.tokens[refused.reason] += 1
            if _nobody(before):
                self._owner.end(connection, CODES[refused.reason], refused.sentence)
            raise RequestError(refused.reason, refused.sentence, command.request) from None
        self._owner.counters.tokens["accepted" if _nobody(before) else "refreshed"] += 1
        connection.identity = identity.named(before.client)
        self._reconsider(connection)
        left = self._look_again(connection)
        return answers.ok(command.request, expires_in_s=round(left, 3))

    def check(self, now: float) -> None:
        """Tell those whose token ends soon, and close those whose token has ended or never came."""
        for connection in self._deadlines.due(now):
            if _nobody(connection.identity):
                self._owner.end(connection, AUTH_TIMEOUT, "no token came in time")
            elif self._look_again(connection) <= 0:
                self._deadlines.drop(connection)
                self._owner.end(connection, TOKEN_EXPIRED, "the token has expired; come back with a fresh one")

    def _fresh(self, before: Identity, token: str) -> Identity:
        identity: Identity = self.keyring.check(token, self._wall())
        if not _nobody(before) and identity.user != before.user:
            raise TokenError("bad-token", "the fresh token is another user's")
        return identity

    def _look_again(self, connection: Client) -> float:
        """Note when to look at this connection again, tell it if the end is near, and return the seconds left."""
        expires_at = connection.identity.expires_at
        if expires_at is None:
            return float("inf")
        left = expires_at - self._wall()
        notice = self._owner.settings.expiry_notice_s
        if 0 < left <= notice and self._told.get(connection) is not connection.identity:
            self._told[connection] = connection.identity
            connection.deliver(Message(answers.expiring(left)), self._owner.now())
        until = left - notice if left > notice else left
        self._deadlines.set(connection, self._owner.now() + min(LONGEST_LOOK_S, until))
        return left

    def _reconsider(self, connection: Client) -> None:
        """End the subscriptions that a fresh token no longer permits."""
        may = connection.identity.permissions.may
        for channel in [channel for channel in self._owner.subscriptions(connection) if not may("subscribe", channel)]:
            sentence = "the fresh token does not permit this channel"
            self._owner.end_subscription(connection, channel, "not-allowed", sentence, again=False)


def keyring(settings: Settings) -> Any:
    """Return the keys that these settings name; None if they name none.

    Raises:
        SettingError: A file cannot be used.
    """
    paths = [path.strip() for path in settings.token_keys.split(",") if path.strip()]
    if not paths:
        return None
    from plumbline.streaming.server.tokens import KeyFileError, Keyring, load  # cryptography: 10 MiB for those who ask

    try:
        keys = load(paths)
    except KeyFileError as error:
        raise SettingError(f"token_keys: {error}") from None
    return Keyring(keys, settings.token_issuer, settings.token_audience, settings.token_leeway_s)


def _needs(command: Command) -> list[tuple[Action, str]]:
    if isinstance(command, Subscribe):
        return [("subscribe", command.channel), *([("presence", command.channel)] if command.join else [])]  # type: ignore[list-item]
    if isinstance(command, Publish):
        return [("publish", command.channel)]
    if isinstance(command, History):
        return [("history", command.channel)]
    return [("presence", command.channel)] if isinstance(command, Presence) else []


def _nobody(identity: Identity) -> bool:
    return identity.permissions is NOBODY.permissions


def _names(ring: Any) -> str:
    return ",".join(key.name or "-" for key in ring.keys)


def _unauthorized(reason: str, sentence: str) -> RefusedError:
    return RefusedError(401, sentence, reason, {"WWW-Authenticate": 'Bearer realm="gateway"'})
