"""One socket of the pool: connects, keeps the connection alive, comes back; what it carries is the session's affair.

A connection that will be closed (the gateway says so) or could be a better one (the preferred region is back) is
replaced before it is given up: the new one stands first, then the session goes over and recovers by position.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from plumbline.streaming.client.actions import Action, Advice, Greeted, Hang, Send
from plumbline.streaming.client.dial import Dialer, DialError, shown
from plumbline.streaming.client.errors import GoneError
from plumbline.streaming.client.liveness import Liveness
from plumbline.streaming.client.renewal import renew
from plumbline.streaming.client.route import Next, Route
from plumbline.streaming.client.session import Session
from plumbline.streaming.client.successor import Successor, find_successor
from plumbline.streaming.client.verdict import Verdict, of_close, unreachable

LOGGER = logging.getLogger("plumbline.client")


class Owner(Protocol):
    """What a link needs of the client."""

    def do(self, link: Link, action: Action) -> None:
        """Carry out what the session wants of the program's side."""

    def room(self, link: Link) -> Awaitable[None] | None:
        """Return what to wait for before more is read, if a reader of this link is too slow."""

    def stopped(self, link: Link, error: GoneError) -> None:
        """There will be no further connection."""


@dataclass(frozen=True, slots=True)
class Times:
    """How a link keeps its connection alive, in seconds.

    Args:
        ping_interval_s: Quiet time before a ping.
        ping_timeout_s: Time for a sign of life after it.
    """

    ping_interval_s: float = 20.0
    ping_timeout_s: float = 10.0


class Link:
    """One socket after the other, to one gateway after the other.

    Args:
        number: Counts links.
        owner: The client.
        session: What the socket is about.
        route: Where to connect.
        dialer: How.
        times: How to keep it alive.
    """

    def __init__(self, number: int, owner: Owner, session: Session, route: Route, dialer: Dialer, times: Times) -> None:
        self.number = number
        self.session = session
        self.route = route
        self.dialer = dialer
        self.capacity: int | None = None  # channels that the gateway takes, once it has told
        self.client_id: str | None = None  # what the gateway calls this connection
        self.idle_since: float | None = None
        self.trouble: str | None = None  # why it is not connected
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._liveness = Liveness(times.ping_interval_s, times.ping_timeout_s, lambda: self._held)
        self._outgoing: deque[str] = deque()
        self._to_send = asyncio.Event()
        self._hurry = asyncio.Event()
        self._advised: asyncio.Queue[Advice] = asyncio.Queue()
        self._cause: Verdict | None = None
        self._connection: ClientConnection | None = None
        self._held = False
        self._scheduled = False
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._task = self._loop.create_task(self._run(), name=f"plumbline-link-{number}")

    @property
    def connected(self) -> bool:
        """Whether the gateway has greeted."""
        return self.session.greeted

    def work_soon(self) -> None:
        """Do what the session wants at the end of this turn: commands of one turn share a message."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._work)

    def network_returned(self) -> None:
        """Try again soon, if only the backoff is being waited for."""
        self._hurry.set()

    async def close(self, error: GoneError) -> None:
        """End the connection, with a goodbye."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*self._goodbyes, return_exceptions=True)
        self._stop(error)

    # What the session wants.

    def _work(self) -> None:
        self._scheduled = False
        for action in self.session.take():
            if isinstance(action, Send):
                self._outgoing.append(action.text)
                self._to_send.set()
            elif isinstance(action, Hang):
                self._hang(unreachable(action.sentence))
            elif isinstance(action, Advice):
                self._advised.put_nowait(action)
            else:
                if isinstance(action, Greeted):
                    self.client_id, self.capacity = action.client, action.max_subscriptions
                    self.trouble = None
                    self.route.accepted()
                self._owner.do(self, action)
        self._set_timer()

    def _set_timer(self) -> None:
        due = self.session.due
        if due is None or (self._timer is not None and self._timer.when() <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.session.tick(self._loop.time())
        self._work()

    def _hang(self, verdict: Verdict) -> None:
        """Drop the connection without waiting for an answer; there is reason to expect none."""
        self._cause = self._cause or verdict
        if self._connection is not None:
            self._connection.transport.abort()

    # How it lives.

    async def _run(self) -> None:
        following: Next | None = Next(self.route.url, 0.0)
        try:
            while following is not None:
                await self._pause(following)
                verdict = await self._attempt(following.url)
                self.trouble = verdict.sentence
                following = self.route.ended(verdict, self._loop.time())
                wait = f"; next attempt in {following.wait_s:.2f} s at {shown(following.url)}" if following else ""
                LOGGER.info("disconnected: %s%s", verdict.sentence, wait)
            self._stop(GoneError(verdict.sentence, verdict.code))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            LOGGER.exception("internal error of the client")
            self._stop(GoneError(f"internal error of the client: {error!r}"))

    async def _attempt(self, url: str) -> Verdict:
        """Connect, and stay, on this connection and its successors, until one is lost; return how that was."""
        try:
            connection = await self.dialer.dial(url)
        except DialError as failed:
            self.session.counts.attempts_failed += 1
            return failed.verdict
        while True:
            ended = await self._stay(connection, url)
            if isinstance(ended, Verdict):
                return ended
            url, connection = ended.url, ended.connection

    async def _stay(self, connection: ClientConnection, url: str) -> Verdict | Successor:
        """Serve one connection until it ends, or a successor stands."""
        LOGGER.info("connected to %s", shown(url))
        self._connection, self._cause = connection, None
        self._advised = asyncio.Queue()
        self.route.opened(url, self._loop.time())
        self.session.opened(self._loop.time())
        self.work_soon()
        tasks = [
            self._loop.create_task(work)
            for work in (
                find_successor(self.route, self.dialer, self._advised),
                self._read(connection),
                self._write(connection),
                self._watch(connection),
                renew(self.session, self.dialer.token, self.work_soon, lambda: self.session.greeted),
            )
        ]
        try:
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
            found = tasks[0].result() if tasks[0].done() else None
            return found if isinstance(found, Successor) else self._verdict(connection)
        finally:
            await self._leave(connection, tasks)

    async def _leave(self, connection: ClientConnection, tasks: Sequence[asyncio.Task[object]]) -> None:
        for task in tasks:
            task.cancel()
        self.session.counts.disconnected += 1
        self.session.lost()
        self._outgoing.clear()
        self._connection = None
        self._work()
        closing = self._loop.create_task(connection.close())  # the goodbye takes a while, and its successor waits
        self._goodbyes.add(closing)
        closing.add_done_callback(self._goodbyes.discard)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                LOGGER.error("internal error of the client", exc_info=result)

    async def _read(self, connection: ClientConnection) -> None:
        session, liveness, clock = self.session, self._liveness, self._loop.time
        try:
            while True:
                text = await connection.recv()
                liveness.heard()
                session.received(text, clock())
                self._work()
                if (room := self._owner.room(self)) is not None:
                    self._held = True
                    await room
                    self._held = False
                    liveness.heard()
        except ConnectionClosed:
            return
        finally:
            self._held = False

    async def _write(self, connection: ClientConnection) -> None:
        try:
            while True:
                while self._outgoing:
                    await connection.send(self._outgoing.popleft())
                self._to_send.clear()
                await self._to_send.wait()
        except ConnectionClosed:
            return

    async def _watch(self, connection: ClientConnection) -> None:
        await self._liveness.watch(connection)
        self._hang(unreachable(f"the gateway gave no sign of life within {self._liveness.timeout_s:g} s of a ping"))

    def _verdict(self, connection: ClientConnection) -> Verdict:
        if self._cause is not None:
            return self._cause
        verdict = of_close(connection.close_code, connection.close_reason or "")
        if verdict.fresh_token:
            self.dialer.token.refused()
        return verdict

    async def _pause(self, following: Next) -> None:
        """Wait for the next attempt; when the network returns less, but never at once, and never against the server."""
        self._hurry.clear()
        try:
            async with asyncio.timeout(following.wait_s):
                await self._hurry.wait()
                if following.ordered:
                    await asyncio.Event().wait()
                await asyncio.sleep(self.route.jitter_s())
        except TimeoutError:
            return

    def _stop(self, error: GoneError) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.session.close(error)
        self._work()
        if self._timer is not None:
            self._timer.cancel()
        self._owner.stopped(self, error)
