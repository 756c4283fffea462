"""All channels that a hub reads: attached at the broker while somebody reads them, and anew when it was interrupted.

Pure: the broker answers by callback, and time passes through `later` and the clock that is handed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Generic, Protocol

from plumbline.streaming.core.broker import Broker, BrokerError, Past, Position
from plumbline.streaming.core.entrance import Entrance
from plumbline.streaming.core.rules import Resolved
from plumbline.streaming.core.shelf import Shelf
from plumbline.streaming.core.stream import Stream
from plumbline.streaming.core.subscriptions import R

LINGER_S = 5.0
"""Time for which a channel stays attached without readers: those who reconnect come back within it."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.1, 5.0
FILL_RETRY_S = 0.25


class Surroundings(Protocol[R]):
    """What the channels need of the hub."""

    def now(self) -> float:
        """Return the clock in seconds."""

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call this after that time."""

    def deliver(self, stream: Stream[R], position: Position, data: bytes) -> None:
        """Send a message to all readers."""

    def end(self, stream: Stream[R], because: str) -> None:
        """End the subscriptions of all readers: messages were lost to them."""

    def behind(self, stream: Stream[R], head: Position) -> None:
        """Messages up to `head` should be here soon; look whether they come."""

    def interrupted(self, channel: str | None, because: str) -> None:
        """Note that the broker lost continuity."""


class Streams(Generic[R]):
    """The hub's channels; a broker's receiver, and each stream's outside.

    Args:
        around: The hub.
        broker: Who keeps the channels.
        rules: What holds for which channel.
        most_held: Messages of a channel that may wait while the broker is asked.
    """

    def __init__(self, around: Surroundings[R], broker: Broker, rules: Resolved, most_held: int) -> None:
        self._around = around
        self.broker = broker
        self._rules = rules
        self._most_held = most_held
        self._streams: dict[str, Stream[R]] = {}
        self._unread: dict[str, float] = {}  # since when nobody reads it, longest first
        self._retries: dict[str, int] = {}  # attachments that failed in a row
        self.shelf = Shelf()
        self.deliver = around.deliver
        self.end = around.end
        self.behind = around.behind

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream[R]]:
        return iter(tuple(self._streams.values()))

    def configure(self, rules: Resolved, most_held: int) -> None:
        """Take over changed rules."""
        self._rules, self._most_held = rules, most_held
        for stream in self._streams.values():
            stream.rule = rules.of(stream.name)
            stream.most_held = most_held

    def find(self, name: str) -> Stream[R] | None:
        """Return the channel, if it is attached or being so."""
        return self._streams.get(name)

    def enter(self, name: str, entrance: Entrance[R]) -> None:
        """Let a reader begin, attaching the channel if it is not."""
        stream = self._streams.get(name)
        if stream is not None:
            self._unread.pop(name, None)
            stream.enter(entrance)
            return
        stream = Stream(name, self._rules.of(name), self, self._most_held)
        self._streams[name] = stream
        stream.enter(entrance)
        self._attach(stream)

    def left(self, stream: Stream[R]) -> None:
        """Note that a reader left; without any it is detached after a while."""
        if not len(stream) and self._streams.get(stream.name) is stream:
            self._unread.setdefault(stream.name, self._around.now())

    def tidy(self, now: float) -> None:
        """Detach what nobody has read for a while, and forget what nobody recovers any more."""
        self.shelf.tidy(now)
        for name, since in list(self._unread.items()):
            if now - since < LINGER_S:
                return
            del self._unread[name]
            stream = self._streams.get(name)
            if stream is not None and not len(stream):
                self._close(stream)

    # What the broker says.

    def arrived(self, channel: str, position: Position, data: bytes) -> None:
        """Pass a message on."""
        stream = self._streams.get(channel)
        if stream is not None:
            stream.arrived(position, data)

    def interrupted(self, channel: str | None, because: str) -> None:
        """Attach anew, and look what was missed."""
        self._around.interrupted(channel, because)
        found = self._streams.get(channel) if channel is not None else None
        broken = list(self._streams.values()) if channel is None else [found] if found is not None else []
        for stream in broken:
            stream.interrupted()
            self._attach(stream)

    # What a stream asks for.

    def past(
        self,
        channel: str,
        since: Position | None,
        limit: int,
        done: Callable[[Past | BrokerError], None],
        *,
        part: bool = False,
    ) -> None:
        """Ask the broker, unless a part is wanted that was replayed to others a moment ago."""
        stream = self._streams.get(channel)
        if part and since is not None and stream is not None and stream.live and stream.position is not None:
            at_hand = self.shelf.past(channel, since, stream.position, limit)
            if at_hand is not None:
                done(at_hand)
                return
        self.broker.past(channel, since, limit, done, part=part)

    def fill_later(self, stream: Stream[R]) -> None:
        """Try again to close a hole."""
        self._around.later(FILL_RETRY_S, lambda: None if stream.live else stream.fill())

    # How it is attached.

    def _attach(self, stream: Stream[R]) -> None:
        self.broker.attach(stream.name, lambda told: self._attached(stream, told))

    def _attached(self, stream: Stream[R], told: Position | BrokerError) -> None:
        if self._streams.get(stream.name) is not stream:
            return  # it was closed meanwhile
        if not isinstance(told, BrokerError):
            self._retries.pop(stream.name, None)
            stream.attached(told)
            return
        stream.refuse(told)
        if not len(stream):
            self._close(stream)
            return
        tries = self._retries[stream.name] = self._retries.get(stream.name, -1) + 1
        pause = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2**tries)
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - not all channels at once
        self._around.later(pause * spread, lambda: self._again(stream))

    def _again(self, stream: Stream[R]) -> None:
        if self._streams.get(stream.name) is stream and not stream.live:
            self._attach(stream)

    def _close(self, stream: Stream[R]) -> None:
        del self._streams[stream.name]
        self._unread.pop(stream.name, None)
        self._retries.pop(stream.name, None)
        self.broker.detach(stream.name)
