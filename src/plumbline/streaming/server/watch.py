"""The gateway's one timer: heartbeats, write time-outs, handshake time-outs, and how late it rings itself."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from plumbline.streaming.core.closes import HEARTBEAT_TIMEOUT, MESSAGE_TIMEOUT, WRITE_TIMEOUT
from plumbline.streaming.core.counters import Counters, LoopLag
from plumbline.streaming.core.farewell import notice
from plumbline.streaming.core.heartbeat import Heartbeats
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log
from plumbline.streaming.server.door import Door
from plumbline.streaming.server.fanout import Fanout
from plumbline.streaming.server.farewells import Farewells
from plumbline.streaming.server.guard import Guard
from plumbline.streaming.server.writing import Writing

LONGEST_PERIOD_S, SHORTEST_PERIOD_S = 0.25, 0.01
PINGS_PER_TICK = 1000  # some 10 ms of writing


class Owner(Protocol):
    """What the watch needs of the gateway."""

    settings: Settings
    counters: Counters
    door: Door
    guard: Guard
    farewells: Farewells
    fanout: Fanout

    def now(self) -> float:
        """Return the clock in seconds."""

    def end(self, connection: Writing, code: int, sentence: str) -> int:
        """Close this connection; return how many messages were not sent."""


class Watch:
    """Rings a few times a second.

    Args:
        owner: The gateway.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.heartbeats: Heartbeats[Writing] = Heartbeats(0, 1)
        self.lag = LoopLag(owner.now())
        self._stalled: dict[Writing, tuple[float, int]] = {}  # since when, and bytes that waited then
        self._begun: dict[Writing, float] = {}  # since when a message of theirs has come in part
        self._timer: asyncio.TimerHandle | None = None
        self.configure()

    def configure(self) -> None:
        """Take over changed settings."""
        settings = self._owner.settings
        self.heartbeats.interval_s = settings.heartbeat_interval_s
        self.heartbeats.timeout_s = settings.heartbeat_timeout_s
        self._owner.farewells.configure()
        timers = (
            settings.heartbeat_interval_s,
            settings.heartbeat_timeout_s,
            settings.write_timeout_s,
            settings.message_timeout_s,
            notice(settings.max_connection_age_s),
            settings.drain_s,
        )
        shortest = min(timer for timer in (*timers, settings.handshake_timeout_s) if timer)
        self._period_s = min(LONGEST_PERIOD_S, max(SHORTEST_PERIOD_S, shortest / 5))
        self.stop()
        self._set()

    def stop(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()

    def stalled(self, connection: Writing) -> None:
        """Note that this client takes no bytes from now on."""
        self._stalled[connection] = (self._owner.now(), -1)

    def moving(self, connection: Writing) -> None:
        """Note that this client takes bytes."""
        self._stalled.pop(connection, None)

    def began(self, connection: Writing) -> None:
        """Note that a message of this client has come in part, and is read on from now on."""
        self._begun[connection] = self._owner.now()

    def whole(self, connection: Writing) -> None:
        """Note that it is whole, or not read on."""
        self._begun.pop(connection, None)

    def gone(self, connection: Writing) -> None:
        """Forget a client."""
        self.moving(connection)
        self.whole(connection)

    def _set(self) -> None:
        due = self._owner.now() + self._period_s
        self._timer = self._loop.call_at(due, self._ring, due)

    def _ring(self, due: float) -> None:
        now = self._owner.now()
        self.lag.note(max(0.0, now - due), now)
        self._set()
        self._owner.door.check(now)
        self._owner.guard.check(now)
        self._owner.farewells.check(now)
        self._owner.fanout.check(now)
        self._beat(now)
        self._check_writes(now)
        self._check_messages(now)

    def _beat(self, now: float) -> None:
        ping, dead = self.heartbeats.due(now, PINGS_PER_TICK)
        self._owner.counters.pings += len(ping)
        for connection in ping:
            connection.ping(now)
        for connection in dead:
            idle_s = now - connection.last_io
            log.event(logging.INFO, "heartbeat timeout", connection=connection, idle_s=idle_s, action="disconnect")
            self._owner.end(connection, HEARTBEAT_TIMEOUT, "no answer to a ping")

    def _check_writes(self, now: float) -> None:
        limit = self._owner.settings.write_timeout_s
        for connection, (since, before) in list(self._stalled.items()):
            waiting = connection.link.held
            if waiting != before:
                self._stalled[connection] = (now if before >= 0 else since, waiting)
            elif limit and now - since >= limit:
                self._expire(connection, now - since)

    def _check_messages(self, now: float) -> None:
        limit = self._owner.settings.message_timeout_s
        for connection, since in list(self._begun.items()) if limit else ():
            if now - since < limit:
                return  # they stand in the order in which they began
            del self._begun[connection]
            if connection.live:
                log.event(logging.INFO, "message timeout", connection=connection, begun_s=now - since)
                self._owner.end(connection, MESSAGE_TIMEOUT, "a message that began was not whole in time")

    def _expire(self, connection: Writing, stalled_s: float) -> None:
        self._stalled.pop(connection, None)
        queued = connection.outbox.waiting_bytes
        log.event(
            logging.WARNING,
            "write timeout",
            connection=connection,
            queued_bytes=queued,
            stalled_s=stalled_s,
            action="disconnect",
        )
        self._owner.end(connection, WRITE_TIMEOUT, "took no byte in time")
