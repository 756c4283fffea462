"""One connection to NATS: requests, batched reads, and one quiet word when it breaks and when it is back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from plumbline.streaming.cluster.access import NO_TLS, Access, refusal
from plumbline.streaming.core.broker import BrokerError
from plumbline.streaming.server import log

OLDEST = (2, 12)  # batched direct gets and TTLs per message came with 2.11, mirrors that become streams with 2.12
REQUEST_S = 5.0
RETRY_S = 0.25  # between two attempts to connect again
CONNECT_S = 3
END_OF_BATCH, NOTHING, NOBODY = "204", "404", "503"


class _Guarded(Client):
    """Never shows who it is to a server that offers no TLS when TLS was asked for: nats-py would, in plain text."""

    encrypted = False

    def _connect_command(self) -> bytes:
        """Return what is sent first, with all secrets: the last moment to hold them back."""
        here = self._current_server
        wrapped = here is not None and here.uri.scheme == "wss"
        if self.encrypted and not wrapped and not self._server_info.get("tls_required"):
            raise nats.errors.Error(NO_TLS)
        told: bytes = super()._connect_command()
        return told


class TimedOutError(BrokerError):
    """No answer came in time: it may have been done or not."""

    def __init__(self, what: str) -> None:
        super().__init__("unavailable", f"NATS did not answer {what} in time; try again in 1 s")


class Link:
    """A connection that comes back by itself.

    Args:
        servers: Addresses, `nats://host:port`; any of them will do.
        access: Who the gateway is, and whom it trusts.
        name: What the server's own reports call this connection.
        lost: Called when the connection breaks.
        back: Called when it stands again; its subscriptions stand too.
    """

    def __init__(
        self,
        servers: list[str],
        *,
        access: Access | None = None,
        name: str = "plumbline",
        lost: Callable[[], None] = lambda: None,
        back: Callable[[], None] = lambda: None,
    ) -> None:
        self.servers = servers
        self._access = access or Access()
        self._name = name
        self._lost = lost
        self._back = back
        self._said = ""
        self._first_said: list[str] = []  # while the first connection is made
        self._closing = False
        self.nats = _Guarded()
        self.reconnects = 0

    @property
    def place(self) -> str:
        """The servers' addresses for people, without anything secret."""
        return ", ".join(server.partition("://")[2].rpartition("@")[2] for server in self.servers)

    @property
    def up(self) -> bool:
        """The connection stands."""
        return bool(self.nats.is_connected)

    async def open(self) -> None:
        """Connect, and see that the server can do what is needed.

        Raises:
            BrokerError: Nobody answers, JetStream is off, or the server is too old; one sentence says which.
        """
        try:
            options = self._access.options(self.servers)
            self.nats.encrypted = "tls" in options
            await asyncio.wait_for(self._connect(options), CONNECT_S + 1)
        except ValueError as error:  # a file of the access, or what is in it
            raise BrokerError("unavailable", str(error)) from None
        except (OSError, TimeoutError, nats.errors.Error) as error:
            self._closing = True
            with contextlib.suppress(Exception):
                await self.nats.close()
            if (refused := refusal(error, self._first_said)) is not None:
                raise BrokerError("unavailable", f"NATS at {self.place} cannot be used: {refused}") from None
            because = str(error).removeprefix("nats: ") or type(error).__name__
            raise BrokerError("unavailable", f"no NATS server answers at {self.place} ({because})") from None
        try:
            await self._fit()
        except BrokerError:
            await self.close()
            raise

    async def _connect(self, options: dict[str, Any]) -> None:
        first = True

        async def failed(error: Exception) -> None:
            if first:
                self._first_said.append(str(error))
            elif not self._closing:
                self._say(error)

        async def disconnected() -> None:
            if not self._closing and not first:
                log.event(logging.WARNING, "broker connection lost", broker=self.place)
                self._lost()

        async def reconnected() -> None:
            self._said = ""
            self.reconnects += 1
            log.event(logging.INFO, "broker connection restored", broker=self.place, reconnects=self.reconnects)
            self._back()

        # max_reconnect_attempts bounds the first attempt too: it is lifted once the connection stands.
        await self.nats.connect(
            servers=self.servers,
            name=self._name,
            error_cb=failed,
            disconnected_cb=disconnected,
            reconnected_cb=reconnected,
            connect_timeout=CONNECT_S,
            reconnect_time_wait=RETRY_S,  # type: ignore[arg-type]  # used as a number of seconds, fractions too
            max_reconnect_attempts=1,
            ping_interval=5,
            max_outstanding_pings=2,
            skip_subject_validation=True,
            **options,
        )
        self.nats.options["max_reconnect_attempts"] = -1
        first = False

    def _say(self, error: Exception) -> None:
        """Log an error of the connection once, not at each attempt."""
        text = f"{type(error).__name__}: {error}"
        if text != self._said:
            self._said = text
            log.event(logging.WARNING, "broker connection error", broker=self.place, because=text)

    async def _fit(self) -> None:
        version = self.nats.connected_server_version
        if (version.major, version.minor) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            raise BrokerError(
                "unavailable",
                f"nats-server at {self.place} is {version.major}.{version.minor}.{version.patch}, but {wanted} or "
                "newer is needed",
            )
        try:
            await self.api("INFO")
        except BrokerError as error:
            if "no responders" not in error.message and "not enabled" not in error.message:
                raise
            raise BrokerError(
                "unavailable",
                f"nats-server at {self.place} runs without JetStream; add 'jetstream {{ store_dir: … }}' to its "
                "configuration",
            ) from None

    async def close(self) -> None:
        """Close for good."""
        self._closing = True
        with contextlib.suppress(nats.errors.Error, OSError):
            await self.nats.close()

    async def subscribe(self, subject: str, heard: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Call `heard` for what is published there.

        Raises:
            BrokerError: The connection is closed.
        """
        try:
            return await self.nats.subscribe(subject, cb=heard)
        except nats.errors.Error as error:
            raise _unavailable(error) from None

    async def request(
        self, subject: str, body: bytes = b"", headers: Mapping[str, str] | None = None, timeout_s: float = REQUEST_S
    ) -> Msg:
        """Send a request and return its answer.

        Raises:
            TimedOutError: No answer came.
            BrokerError: The connection is down, or nobody listens there.
        """
        if not self.up:  # what is sent now would wait for the connection, and be sent when nobody waits for it
            raise BrokerError("unavailable", f"the connection to NATS at {self.place} is down; try again in 1 s")
        try:
            return await self.nats.request(subject, body, timeout=timeout_s, headers=dict(headers or {}) or None)
        except nats.errors.TimeoutError:
            raise TimedOutError(subject) from None
        except nats.errors.NoRespondersError:
            raise BrokerError("unavailable", f"no responders: nobody in NATS answers to {subject}") from None
        except nats.errors.Error as error:
            raise _unavailable(error) from None

    async def api(self, verb: str, body: Mapping[str, Any] | None = None, domain: str = "") -> dict[str, Any]:
        """Ask JetStream's API, in another domain if one is named, and return its answer.

        Raises:
            BrokerError: It refused; the message has JetStream's own words. Code `missing` if there is no such thing.
        """
        subject = f"$JS.{domain}.API.{verb}" if domain else f"$JS.API.{verb}"
        answer = await self.request(subject, json.dumps(body).encode() if body is not None else b"")
        told: dict[str, Any] = json.loads(answer.data)
        if error := told.get("error"):
            code = "missing" if error.get("code") == 404 else "unavailable"
            raise BrokerError(code, f"JetStream refused {verb}: {error.get('description', error)}")
        return told

    async def batch(self, stream: str, body: Mapping[str, Any], domain: str = "") -> tuple[list[Msg], int]:
        """Get stored messages directly; return them and how many more there are.

        Raises:
            BrokerError: The server does not answer, or refuses.
        """
        if not self.up:
            raise BrokerError("unavailable", f"the connection to NATS at {self.place} is down; try again in 1 s")
        subject = f"$JS.{domain}.API.DIRECT.GET.{stream}" if domain else f"$JS.API.DIRECT.GET.{stream}"
        inbox = self.nats.new_inbox()
        try:
            answers = await self.nats.subscribe(inbox)
            try:
                await self.nats.publish(subject, json.dumps(body).encode(), reply=inbox)
                return await _all(answers)
            finally:
                await answers.unsubscribe()
        except nats.errors.TimeoutError:
            raise TimedOutError(subject) from None
        except nats.errors.Error as error:
            raise _unavailable(error) from None


async def _all(answers: Subscription) -> tuple[list[Msg], int]:
    found: list[Msg] = []
    while True:
        message = await answers.next_msg(timeout=REQUEST_S)
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            found.append(message)
        elif status == END_OF_BATCH:
            return found, int(headers.get("Nats-Num-Pending", 0))
        elif status == NOTHING:
            return found, 0
        elif status == NOBODY:
            raise BrokerError("unavailable", "no responders: the stream is not there, or has not come back yet")
        else:
            raise BrokerError("unavailable", f"JetStream refused a read ({status})")


def _unavailable(error: Exception) -> BrokerError:
    return BrokerError("unavailable", f"NATS: {str(error).removeprefix('nats: ')}; try again in 1 s")
