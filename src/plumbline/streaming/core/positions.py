"""Which channel's position is due to be checked against the head of its stream, and which is found behind. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from plumbline.streaming.core.broker import Broker, BrokerError, Position
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.stream import Stream
from plumbline.streaming.core.streams import Streams

GRACE_S = 1.0
"""A message that the broker knows may still be on its way here for this long."""
CHECKS_PER_TICK = 200


class Positions:
    """Checks every channel that somebody reads, each as often as its rule says.

    Args:
        streams: The hub's channels.
        broker: Who knows their heads.
        counters: Where gaps are counted.
        noticed: Called with channel, position here and head for each gap.
    """

    def __init__(
        self,
        streams: Streams[Any],
        broker: Broker,
        counters: Counters,
        noticed: Callable[[str, Position, Position], None],
    ) -> None:
        self._streams = streams
        self._broker = broker
        self._counters = counters
        self._noticed = noticed
        self._due: list[tuple[float, str]] = []  # a heap
        self._scheduled: dict[str, float] = {}  # a channel's entry in it that counts
        self._suspects: dict[str, tuple[Position, float]] = {}  # the head it should reach, and until when

    def watch(self, channel: str, now: float) -> None:
        """Check this channel from now on, if its rule says so."""
        stream = self._streams.find(channel)
        if stream is not None and stream.rule.position_check_s and channel not in self._scheduled:
            self._schedule(stream.name, now + stream.rule.position_check_s)

    def configure(self, now: float) -> None:
        """Take over changed rules."""
        self._due, self._scheduled = [], {}
        for stream in self._streams:
            self.watch(stream.name, now)

    def suspect(self, channel: str, head: Position, now: float) -> None:
        """Note that this channel should have reached `head`."""
        self._suspects.setdefault(channel, (head, now + GRACE_S))

    def check(self, now: float) -> None:
        """Ask for the heads that are due, and judge those that were suspect."""
        for channel, (head, until) in list(self._suspects.items()):
            if now >= until:
                del self._suspects[channel]
                self._judge(channel, head)
        for _ in range(CHECKS_PER_TICK):
            if not self._due or self._due[0][0] > now:
                return
            at, channel = heapq.heappop(self._due)
            if self._scheduled.get(channel) != at:
                continue  # it was scheduled anew
            del self._scheduled[channel]
            stream = self._streams.find(channel)
            if stream is not None and len(stream) and stream.rule.position_check_s:
                self._schedule(channel, now + stream.rule.position_check_s)
                self._ask(stream, now)

    def _schedule(self, channel: str, at: float) -> None:
        self._scheduled[channel] = at
        heapq.heappush(self._due, (at, channel))

    def _ask(self, stream: Stream[Any], now: float) -> None:
        at = stream.position
        if not stream.live or at is None:
            return  # it is being closed up already
        self._counters.position_checks += 1

        def told(head: Position | BrokerError) -> None:
            if isinstance(head, BrokerError):
                return
            if head.epoch == at.epoch and head.offset < at.offset:  # the stream lost what its readers have seen
                self._gap(stream, head)
            elif _behind(stream, head):
                self.suspect(stream.name, head, now)

        self._broker.head(stream.name, told)

    def _judge(self, channel: str, head: Position) -> None:
        stream = self._streams.find(channel)
        if stream is not None and _behind(stream, head):
            self._gap(stream, head)

    def _gap(self, stream: Stream[Any], head: Position) -> None:
        if stream.position is not None:
            self._counters.position_gaps += 1
            self._noticed(stream.name, stream.position, head)
            stream.fill()


def _behind(stream: Stream[Any], head: Position) -> bool:
    at = stream.position if stream.live else None
    return at is not None and (head.epoch != at.epoch or head.offset > at.offset)
