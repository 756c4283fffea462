"""What waits to be sent: joined within a turn of the loop, bounded by policies, watched while it stands still."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from plumbline.streaming.core.closes import SLOW_CONSUMER
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.outbox import Limits
from plumbline.streaming.core.rules import Resolved
from plumbline.streaming.core.setting_kinds import Overflow
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log
from plumbline.streaming.server.fanout import Fanout
from plumbline.streaming.server.watch import Watch
from plumbline.streaming.server.writing import Writing


class Backlog(ABC):
    """The hub's part that connections talk to while they write."""

    _loop: asyncio.AbstractEventLoop
    _turning: bool
    _corked: list[Writing]
    settings: Settings
    rules: Resolved
    limits: Limits
    counters: Counters
    turn: int
    fanout: Fanout
    watch: Watch

    @abstractmethod
    def end(self, connection: Writing, code: int, sentence: str) -> int:
        """Close a connection, and return how many messages still waited for it."""

    def begin_turn(self) -> None:
        """See that what is joined within this turn of the loop goes out at its end."""
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._end_turn)

    def flush_later(self, connection: Writing) -> None:
        """Flush this connection at the end of the turn."""
        self.begin_turn()
        self._corked.append(connection)

    def stalled(self, connection: Writing) -> None:
        """Watch a client that takes no bytes."""
        self.watch.stalled(connection)

    def writable(self, connection: Writing) -> None:
        """Let publishers go on that wait for this client."""
        if not connection.blocked:
            self.watch.moving(connection)
        self.fanout.wake(connection)

    def policy(self, channel: str | None) -> Overflow:
        """Return what a full queue does with this channel's messages; with None, with answers."""
        return self.settings.overflow if channel is None else self.rules.of(channel).overflow

    def overflowed(self, connection: Writing, channel: str | None, dropped: int) -> None:
        """Count a full queue, and close the connection if the channel's policy says so."""
        policy = self.policy(channel)
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

    def reconsider(self, connection: Writing) -> None:
        """Apply changed limits to what waits already, and let those go on who waited under the old ones."""
        before = connection.outbox.dropped
        if not connection.outbox.trim(self.limits, self.policy):
            self.overflowed(connection, None, 0)
        elif connection.outbox.dropped != before:
            self.overflowed(connection, None, connection.outbox.dropped - before)
        self.fanout.wake(connection)

    def _end_turn(self) -> None:
        self._turning = False
        self.fanout.settle()
        self.turn += 1
        corked, self._corked = self._corked, []
        for connection in corked:
            connection.flush()
