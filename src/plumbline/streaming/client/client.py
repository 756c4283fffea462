"""The client as programs use it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any, NamedTuple, Self

from plumbline.streaming.client import wire
from plumbline.streaming.client.buffer import Buffer, Policy
from plumbline.streaming.client.counts import Counts
from plumbline.streaming.client.errors import ClientError, GoneError
from plumbline.streaming.client.events import Message, Past
from plumbline.streaming.client.inlet import FetchState, Inlet
from plumbline.streaming.client.options import Options
from plumbline.streaming.client.pool import Pool, network_returned
from plumbline.streaming.client.session import position_of
from plumbline.streaming.client.subscription import Callback, Subscription
from plumbline.streaming.client.token import Source, Token
from plumbline.streaming.core.broker import Member, Position
from plumbline.streaming.core.commands import Mode
from plumbline.streaming.core.jsontext import encode_data
from plumbline.streaming.core.parsing import check_channel

BUFFER = 1024


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is in a channel.

    Args:
        members: Those who are named.
        count: How many there are in all.
    """

    members: tuple[Member, ...]
    count: int


class Socket(NamedTuple):
    """One socket of a client.

    Args:
        number: Counts sockets.
        url: Where it is connected, or wants to be.
        connected: The gateway has greeted.
        client: What the gateway calls the connection; None before its first greeting.
        channels: How many channels it carries.
        trouble: Why it is not connected; None if it is, or was not tried yet.
    """

    number: int
    url: str
    connected: bool
    client: str | None
    channels: int
    trouble: str | None


class Client:
    """Many subscriptions over few sockets; nothing lost and nothing twice across interruptions, or a gap that says so.

    A client belongs to the event loop in which it was made, and connects when there is something to do.

    Args:
        urls: Address of the gateway (`ws://` or `wss://`), or several, the preferred one first.
        token: A token, or a function (plain or asynchronous) that returns one: it is asked for a fresh one before the
            last one ends, and once more when one is refused.
        options: Everything else.
        rng: Where chance comes from, for tests.

    Raises:
        ValueError: There is no address.

    Example:
        ```python
        async with Client("ws://127.0.0.1:8765/") as client:
            async with client.subscribe("scores") as scores:
                await client.publish("scores", {"model": "m7", "score": 0.93})
                print(await anext(scores))
        ```
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        token: Source | None = None,
        options: Options | None = None,
        rng: Random | None = None,
    ) -> None:
        addresses = [urls] if isinstance(urls, str) else list(urls)
        if not addresses:
            raise ValueError("a client needs at least one address, like ws://127.0.0.1:8765/")
        self.counts = Counts()
        self._options = options or Options()
        self._loop = asyncio.get_running_loop()
        self._listeners: set[asyncio.Task[None]] = set()
        chance = rng or Random()  # noqa: S311 - spreads attempts; guessing it gains nothing
        self._pool = Pool(addresses, Token(token), self._options, self.counts, chance)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all subscriptions and requests, and close all sockets with a goodbye."""
        for task in self._listeners:
            task.cancel()
        await self._pool.close()
        await asyncio.gather(*self._listeners, return_exceptions=True)

    @property
    def sockets(self) -> list[Socket]:
        """The sockets that are open, or want to be."""
        return [
            Socket(link.number, link.route.url, link.connected, link.client_id, len(link.session.reading), link.trouble)
            for link in self._pool.links
        ]

    def subscribe(
        self,
        channel: str,
        *,
        since: Position | None = None,
        mode: Mode | str = Mode.ALL,
        join: bool = False,
        buffer: int = BUFFER,
        policy: Policy | str = Policy.BLOCK,
        snapshot: FetchState | None = None,
    ) -> Subscription:
        """Read a channel. Readers of the same channel share one subscription at the gateway.

        Args:
            channel: Its name.
            since: Give first what came after this position; None begins with what comes.
            mode: `all`: every message counts; `latest`: only the newest does.
            join: Be present, and get `Joined` and `Left`.
            buffer: Events that may wait for this reader.
            policy: What a full buffer does: `block` stops reading from the socket, and so everything that it carries;
                `drop` drops the oldest messages and says so with a `Gap`; `latest` keeps the newest message.
            snapshot: Fetches the channel's state, at the beginning (unless `since` is given) and after each gap. The
                position is read first; then the state is fetched, given as `Snapshot`, and followed by what came
                after the position.

        Raises:
            ValueError: The channel's name is none, or a value is out of range.
            FullError: No socket has room, and no more may be opened.
            GoneError: The client is closed.
        """
        self._check_open()
        wanted = Mode(mode)
        inlet = Inlet(check_channel(channel), Buffer(buffer, Policy(policy)), since, snapshot, self._past_since)
        self._pool.subscribe(inlet, since, wanted, join=join)
        return Subscription(inlet, self._pool.leave)

    def listen(self, channel: str, callback: Callback, **options: Any) -> Subscription:
        """Call a function with each event of a channel.

        An exception of the callback ends this subscription, and goes to the event loop's exception handler, as does
        the gateway's refusal.

        Args:
            channel: Its name.
            callback: Called with each event, in order; a coroutine function is awaited before the next one.
            **options: As for `subscribe`.

        Raises:
            ValueError: As for `subscribe`.
        """
        subscription = self.subscribe(channel, **options)
        task = self._loop.create_task(subscription.run(callback), name=f"plumbline-listen-{channel}")
        self._listeners.add(task)
        task.add_done_callback(lambda done: self._listened(subscription, done))
        return subscription

    async def publish(
        self, channel: str, data: Any, *, key: str | None = None, timeout_s: float | None = None
    ) -> Position:
        """Publish a value, wait until it is stored, and return its position.

        It is sent again on another connection if one is lost before the answer came. Its key makes that safe: within
        the broker's window the same key is stored once.

        Args:
            channel: Where.
            data: Anything with a JSON form.
            key: Makes it idempotent also across calls and processes; one of its own if None.
            timeout_s: Time in all, in seconds; `request_timeout_s` if None.

        Raises:
            ValueError: The channel's name is none, or the data has no JSON form.
            RefusedError: The gateway does not take it.
            NoAnswerError: Nobody knows whether it was stored; call again with the same key.
            GoneError: The client is closed, or the gateway said not to come back.
        """
        self._check_open()
        text = encode_data(data).decode()
        timeout = timeout_s or self._options.request_timeout_s
        link = self._pool.link_of(check_channel(channel))
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        session = link.session
        session.publish(answer, channel, text, key or secrets.token_hex(12), timeout, self._loop.time())
        link.work_soon()
        try:
            return position_of(await answer)
        finally:
            if answer.cancelled():
                session.forget(answer, self._loop.time())

    async def history(self, channel: str, *, since: Position | None = None, limit: int | None = None) -> Past:
        """Return what was published.

        Args:
            channel: Where.
            since: What came after this position; None for the newest messages.
            limit: Messages at most; None leaves it to the gateway.

        Raises:
            ClientError: As for `publish`.
        """
        told = await self._ask("history", channel, since=since, limit=limit)
        head = position_of(told)
        try:
            messages = tuple(
                Message(channel, Position(head.epoch, int(item["offset"])), item["data"]) for item in told["messages"]
            )
        except (KeyError, TypeError, ValueError):
            raise ClientError("the gateway's answer about history cannot be read") from None
        return Past(head, messages, told.get("recovered"))

    async def presence(self, channel: str) -> Presence:
        """Return who is in a channel.

        Raises:
            ClientError: As for `publish`.
        """
        told = await self._ask("presence", channel)
        try:
            members = tuple(wire.member(item) for item in told["clients"])
            return Presence(members, int(told["count"]))
        except (KeyError, TypeError, ValueError, wire.WireError):
            raise ClientError("the gateway's answer about presence cannot be read") from None

    def network_returned(self) -> None:
        """Say that the machine has a network again: attempts that only wait for their backoff are made soon.

        A short random delay stays, and a wait that the gateway asked for is waited for.
        """
        network_returned(self._pool.links)

    async def _ask(self, verb: str, channel: str, **more: Any) -> dict[str, Any]:
        self._check_open()
        link = self._pool.link_of(check_channel(channel))
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        session = link.session
        session.request(answer, verb, channel, self._options.request_timeout_s, self._loop.time(), **more)
        link.work_soon()
        try:
            return await answer
        finally:
            if answer.cancelled():
                session.forget(answer, self._loop.time())

    async def _past_since(self, channel: str, since: Position) -> Past:
        return await self.history(channel, since=since)

    def _listened(self, subscription: Subscription, task: asyncio.Task[None]) -> None:
        self._listeners.discard(task)
        subscription.close()
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, GoneError) and self._pool.closed:
            return
        told = {"message": f"reading '{subscription.channel}' ended", "exception": error, "task": task}
        self._loop.call_exception_handler(told)

    def _check_open(self) -> None:
        if self._pool.closed:
            raise GoneError("the client is closed")
