"""What the gateway's shells talk to: it keeps the connections, and decides what an event means for the others."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import ssl
from collections.abc import Callable

from plumbline.streaming.core.broker import Broker, BrokerError, Position
from plumbline.streaming.core.closes import Ended, Ledger
from plumbline.streaming.core.commands import Command, RequestError
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.identity import Identity
from plumbline.streaming.core.local import LocalBroker
from plumbline.streaming.core.outbox import Limits
from plumbline.streaming.core.parsing import requests_in
from plumbline.streaming.core.request import Request
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log, report
from plumbline.streaming.server.acceptor import Acceptor
from plumbline.streaming.server.backlog import Backlog
from plumbline.streaming.server.canary import Canary
from plumbline.streaming.server.connection import Connection
from plumbline.streaming.server.door import Door
from plumbline.streaming.server.fanout import Fanout
from plumbline.streaming.server.farewells import Farewells
from plumbline.streaming.server.greeting import Greeting
from plumbline.streaming.server.guard import Guard
from plumbline.streaming.server.meters import Meters
from plumbline.streaming.server.metrics import CONTENT_TYPE, Metrics
from plumbline.streaming.server.reception import receive
from plumbline.streaming.server.requests import Requests
from plumbline.streaming.server.telemetry import from_environment
from plumbline.streaming.server.watch import Watch
from plumbline.streaming.server.writing import Writing


class Hub(Backlog):
    """Connections and their events.

    Args:
        settings: All settings.
        epoch: Text that no other run of the gateway used.
        tls: What TLS is made with; None for plain sockets.
        broker: Who keeps the channels; this process itself if None.
    """

    def __init__(
        self, settings: Settings, epoch: str, tls: ssl.SSLContext | None = None, broker: Broker | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.settings = settings
        self.limits = Limits(settings.queue_max_bytes, settings.queue_max_messages)
        self.counters = Counters()
        self.ledger = Ledger()
        self.node = epoch
        self.connections: dict[int, Writing] = {}
        self.draining = False
        self.letting_in = True
        self.empty = asyncio.Event()  # set when the last connection has gone while draining
        self.turn = 0
        self.started_at = self.now()
        self.resident = report.Resident()
        self.rules = settings.rules()
        self.telemetry = from_environment()
        self.guard = Guard(self)
        self.meters = Meters(self)
        self.broker: Broker = LocalBroker(settings, epoch, self.now) if broker is None else broker
        self.fanout = Fanout(self, self.broker)
        self.requests = Requests(self)
        self.door = Door(self, tls)
        self.farewells = Farewells(self)
        self.canary = Canary(self)
        self.patience = self.watch = Watch(self)
        self._metrics = Metrics(lambda: report.stats(self), getattr(broker, "stats", None))
        self.acceptor: Acceptor | None = None
        self._turning = False
        self._corked: list[Writing] = []

    def drain(self) -> None:
        """Let nobody in any more."""
        self.draining = True
        self.letting_in = False
        if self.acceptor is not None:
            self.acceptor.close()
        if not self.connections:
            self.empty.set()

    def close(self) -> None:
        """Stop the clock and give the last file back."""
        self.door.close()
        self.watch.stop()
        self.resident.close()
        if self.telemetry is not None:
            self.telemetry.close()

    async def start(self) -> None:
        """Start the broker.

        Raises:
            BrokerError: It cannot be reached.
        """
        await self.broker.start(self.fanout.streams)

    async def publish(self, channel: str, data: bytes, key: str | None = None) -> Position:
        """Store JSON text as a channel's next message, when its readers have room if the policy is to wait.

        Raises:
            BrokerError: It was not stored.
        """
        while (slow := self.fanout.slowest(channel, len(data))) is not None:
            room = asyncio.Event()
            self.fanout.wait_for(slow, room.set)
            await room.wait()
        answered: asyncio.Future[Position | BrokerError] = self._loop.create_future()

        def stored(told: Position | BrokerError) -> None:
            if not answered.done():  # whoever waited may have given up
                answered.set_result(told)

        self.fanout.publish(channel, data, key, stored)
        told = answered.result() if answered.done() else await answered  # the in-process broker has answered already
        if isinstance(told, BrokerError):
            raise told
        self.counters.published += 1
        return told

    def now(self) -> float:
        """Return the event loop's clock, in seconds."""
        return self._loop.time()

    def soon(self, callback: Callable[[], None]) -> None:
        """Call this when the current callback is done."""
        self._loop.call_soon(callback)

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call this after that time."""
        self._loop.call_later(seconds, callback)

    def listener(self) -> socket.socket | None:
        """Return the listening socket."""
        return self.acceptor.listener if self.acceptor else None

    def waiting(self) -> int:
        """Return how many accepted sockets have not completed a request."""
        return self.door.unanswered + (len(self.acceptor.waiting) if self.acceptor else 0)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return self._metrics.text()

    def page(self, path: str) -> tuple[int, str, bytes] | None:
        """Answer a plain HTTP request, if it is one of the gateway's pages."""
        if path == "/metrics":
            return 200, CONTENT_TYPE, self.exposition()
        if path == "/healthz":
            state = "draining" if self.draining else "ok"
            body = json.dumps({"status": state, "connections": len(self.connections)}).encode() + b"\n"
            return 200, "application/json", body
        return None

    def identify(self, request: Request, number: int) -> Identity:
        """Return whom a client serves.

        Raises:
            RefusedError: Its token does not hold.
        """
        return self.guard.identify(request, f"{self.node}.{number}")

    def asked(self, greeting: Greeting, request: Request, tail: bytes) -> None:
        """Answer a request."""
        receive(self, greeting, request, tail)

    def opened(self, connection: Writing) -> None:
        """Take in a connection whose handshake is complete."""
        self.connections[connection.number] = connection
        self.guard.opened(connection)
        if self.telemetry is not None:
            kind = "websocket" if isinstance(connection, Connection) else "sse"
            self.telemetry.handshake(self.now() - connection.accepted_at, kind)
        self.watch.heartbeats.add(connection, self.now())
        self.farewells.opened(connection)

    def heard(self, connection: Writing) -> None:
        """Note that a client lives."""
        self.watch.heartbeats.heard(connection)

    def received(self, connection: Writing, text: str) -> None:
        """Carry out a client's request, if it does not send too many."""
        self.begin_turn()
        commands = len(requests_in(text)) if text.lstrip().startswith("[") else 1
        try:
            self.meters.message(connection, len(text), commands)
        except RequestError as refused:
            self.requests.refuse(connection, text, refused)
        else:
            self.requests.received(connection, text)

    def frame(self, connection: Writing) -> bool:
        """Count a WebSocket frame; False: there are too many of them, and the client was closed."""
        return self.meters.frame(connection)

    def permit(self, connection: Writing, command: Command) -> None:
        """Let a command pass if this client may give it, now.

        Raises:
            RequestError: `not-authenticated`, `not-allowed` or `rate-limited`.
        """
        self.guard.demand(connection, command)
        self.meters.command(connection, command, self.rules)

    def subscriptions(self, connection: Writing) -> tuple[str, ...]:
        """Return the channels that this connection reads."""
        return self.fanout.subscriptions.of(connection)

    def end_subscription(self, connection: Writing, channel: str, code: str, sentence: str, *, again: bool) -> None:
        """End one subscription, and say so."""
        self.fanout.end_subscription(connection, channel, code, sentence, again=again)

    def reading(self, connection: Writing, *, paused: bool) -> None:
        """Stop or go on reading from a client. One that is not read from cannot answer pings: none are counted then."""
        if paused:
            connection.link.reading(on=False)
            self.watch.heartbeats.remove(connection)
            self.watch.whole(connection)
        else:
            connection.link.reading(on=True)
            self.watch.heartbeats.add(connection, self.now())
            if isinstance(connection, Connection) and connection.begun:
                self.watch.began(connection)

    def refused(self, connection: Writing, code: int, sentence: str) -> None:
        """Close a client for what it sent."""
        log.event(logging.INFO, "client refused", connection=connection, code=code, because=sentence)
        self.end(connection, code, sentence)

    def sent(self, connection: Writing) -> None:
        """Close a connection that was to be closed when everything is sent."""
        if connection.finishing is not None:
            self.end(connection, *connection.finishing)

    def forget(self, exchange: Writing) -> None:
        """Forget a client that had one request."""
        self.door.gone(exchange)
        self._leave(exchange)

    def end(self, connection: Writing, code: int, sentence: str) -> int:
        """Close a connection; its socket is dropped if the client does not answer in time.

        Returns:
            How many messages still waited for it, and were not sent.
        """
        self.fanout.settle()
        lost = connection.close(code, sentence)
        self.fanout.leave(connection)
        self.fanout.wake(connection)
        self.watch.heartbeats.remove(connection)
        self._loop.call_later(self.settings.close_timeout_s, connection.abort)
        return lost

    def between(self) -> None:
        """Empty the accept queue while thousands are seen off in one turn."""
        if self.acceptor is not None:
            self.acceptor.between()

    def gone(self, connection: Writing, ended: Ended) -> None:
        """Forget a connection whose socket is closed."""
        self.connections.pop(connection.number, None)
        self.guard.gone(connection)
        self.door.gone(connection)
        self.farewells.gone(connection)
        if self.draining and not self.connections:
            self.empty.set()
        self.watch.heartbeats.remove(connection)
        self.watch.gone(connection)
        self._leave(connection)
        self.between()
        self.ledger.add(ended)
        if self.telemetry is not None:
            self.telemetry.closed(ended)
        log.event(logging.INFO, "connection closed", connection=connection, **ended.told())

    def _leave(self, connection: Writing) -> None:
        """Forget its subscriptions, its waiting requests, and that others wait for it."""
        self.fanout.leave(connection)
        self.requests.gone(connection)
        self.fanout.wake(connection)

    def accept_failed(self, error: OSError) -> None:
        """Count a failed accept."""
        self.counters.accept_failures[errno.errorcode.get(error.errno or 0, "OTHER")] += 1
