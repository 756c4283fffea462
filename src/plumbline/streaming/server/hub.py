"""What the gateway's shells talk to: it keeps the connections, and decides what an event means for the others."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import ssl
from collections.abc import Callable

from plumbline.streaming.core.closes import SLOW_CONSUMER, Ended, Ledger
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.identity import ANYBODY, Identity
from plumbline.streaming.core.outbox import Limits
from plumbline.streaming.core.request import Request
from plumbline.streaming.core.settings import Overflow, Settings
from plumbline.streaming.server import log, report
from plumbline.streaming.server.acceptor import Acceptor
from plumbline.streaming.server.door import Door
from plumbline.streaming.server.fanout import Fanout
from plumbline.streaming.server.greeting import Greeting
from plumbline.streaming.server.metrics import CONTENT_TYPE, Metrics
from plumbline.streaming.server.reception import receive
from plumbline.streaming.server.watch import Watch
from plumbline.streaming.server.writing import Writing


class Hub:
    """Connections and their events.

    Args:
        settings: All settings.
        epoch: Text that no other run of the gateway used.
        tls: What TLS is made with; None for plain sockets.
    """

    def __init__(self, settings: Settings, epoch: str, tls: ssl.SSLContext | None = None) -> None:
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
        self.fanout = Fanout(self, epoch)
        self.door = Door(self, tls)
        self.watch = Watch(self)
        self._metrics = Metrics(lambda: report.stats(self))
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

    async def publish(self, channel: str, data: bytes) -> int:
        """Send JSON text to all readers, when they have room if the policy is to wait; return its offset."""
        while (slow := self.fanout.slowest(channel, len(data))) is not None:
            room = asyncio.Event()
            self.fanout.wait_for(slow, room.set)
            await room.wait()
        self._begin_turn()
        return self.fanout.publish(channel, data)

    def now(self) -> float:
        """Return the event loop's clock, in seconds."""
        return self._loop.time()

    def soon(self, callback: Callable[[], None]) -> None:
        """Call this when the current callback is done."""
        self._loop.call_soon(callback)

    def listener(self) -> socket.socket | None:
        """Return the listening socket."""
        return self.acceptor.listener if self.acceptor else None

    def waiting(self) -> int:
        """Return how many accepted sockets have not completed a request."""
        return sum(not arrival.answered for arrival in self.door.waiting.values())

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

    def identify(self, request: Request, number: int) -> Identity:  # noqa: ARG002 - nobody is asked for a token yet
        """Return whom a client serves."""
        return ANYBODY.named(f"{self.node}.{number}")

    def asked(self, greeting: Greeting, request: Request, tail: bytes) -> None:
        """Answer a request."""
        receive(self, greeting, request, tail)

    def opened(self, connection: Writing) -> None:
        """Take in a connection whose handshake is complete."""
        self.connections[connection.number] = connection
        self.watch.heartbeats.add(connection, self.now())

    def heard(self, connection: Writing) -> None:
        """Note that a client lives."""
        self.watch.heartbeats.heard(connection)

    def received(self, connection: Writing, text: str) -> None:
        """Carry out a client's request."""
        self._begin_turn()
        self.fanout.received(connection, text)

    def reading(self, connection: Writing, *, paused: bool) -> None:
        """Stop or go on reading from a client. One that is not read from cannot answer pings: none are counted then."""
        if paused:
            connection.link.reading(on=False)
            self.watch.heartbeats.remove(connection)
        else:
            connection.link.reading(on=True)
            self.watch.heartbeats.add(connection, self.now())

    def flush_later(self, connection: Writing) -> None:
        """Flush this connection at the end of the turn."""
        self._begin_turn()
        self._corked.append(connection)

    def stalled(self, connection: Writing) -> None:
        """Watch a client that takes no bytes."""
        self.watch.stalled(connection)

    def writable(self, connection: Writing) -> None:
        """Let publishers go on that wait for this client."""
        if not connection.blocked:
            self.watch.moving(connection)
        self.fanout.wake(connection)

    def overflowed(self, connection: Writing, dropped: int) -> None:
        """Count a full queue, and close the connection if its policy says so."""
        policy = self.settings.overflow
        self.counters.overflows[policy] += 1
        if dropped:
            self.counters.dropped[policy] += dropped
        if not connection.dropping:  # one line per episode, not one per message
            connection.dropping = True
            log.event(
                logging.WARNING,
                "outbound queue full",
                connection=connection,
                queued_bytes=connection.outbox.waiting_bytes,
                limit_bytes=self.settings.queue_max_bytes,
                queued_messages=len(connection.outbox),
                limit_messages=self.settings.queue_max_messages,
                action=policy if dropped else Overflow.DISCONNECT,
            )
        if not dropped:
            self.end(connection, SLOW_CONSUMER, "reads more slowly than its channels speak")

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
        self.fanout.gone(exchange)

    def end(self, connection: Writing, code: int, sentence: str) -> None:
        """Close a connection; its socket is dropped if the client does not answer in time."""
        connection.close(code, sentence)
        self.fanout.channels.leave(connection)
        self.fanout.wake(connection)
        self.watch.heartbeats.remove(connection)
        self._loop.call_later(self.settings.close_timeout_s, connection.abort)

    def gone(self, connection: Writing, ended: Ended) -> None:
        """Forget a connection whose socket is closed."""
        self.connections.pop(connection.number, None)
        self.door.gone(connection)
        if self.draining and not self.connections:
            self.empty.set()
        self.watch.heartbeats.remove(connection)
        self.watch.moving(connection)
        self.fanout.gone(connection)
        self.ledger.add(ended)
        log.event(
            logging.INFO,
            "connection closed",
            connection=connection,
            code=ended.code,
            reason=ended.reason,
            by=ended.by,
            clean=str(ended.clean).lower(),
            idle_s=ended.idle_s,
            age_s=ended.age_s,
        )

    def reconsider(self, connection: Writing) -> None:
        """Apply changed limits to what waits already, and let those go on who waited under the old ones."""
        before = connection.outbox.dropped
        if not connection.outbox.trim(self.limits, self.settings.overflow):
            self.overflowed(connection, 0)
        elif connection.outbox.dropped != before:
            self.overflowed(connection, connection.outbox.dropped - before)
        self.fanout.wake(connection)

    def accept_failed(self, error: OSError) -> None:
        """Count a failed accept."""
        self.counters.accept_failures[errno.errorcode.get(error.errno or 0, "OTHER")] += 1

    def _begin_turn(self) -> None:
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._turning = False
        self.turn += 1
        corked, self._corked = self._corked, []
        for connection in corked:
            connection.flush()
