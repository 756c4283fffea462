"""Carry out what clients ask: subscribe, publish to all readers, and hold publishers while a reader is slow."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from plumbline.streaming.core import protocol
from plumbline.streaming.core.channels import Channels, TooManySubscriptionsError
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.protocol import Ping, Publish, RequestError, Subscribe
from plumbline.streaming.core.settings import Overflow, Settings
from plumbline.streaming.server import log
from plumbline.streaming.server.writing import Writing

ENVELOPE_BYTES = 512  # more than any answer or message adds around the client's own text


class Owner(Protocol):
    """What the fan-out needs of the gateway."""

    settings: Settings
    counters: Counters

    def now(self) -> float:
        """Return the clock in seconds."""

    def soon(self, callback: Callable[[], None]) -> None:
        """Call this when the current callback is done."""

    def reading(self, connection: Writing, *, paused: bool) -> None:
        """Reading from this client stops or goes on."""


class Fanout:
    """Channels, their readers, and who waits for whom.

    Args:
        owner: The gateway.
        epoch: Text that no other run of the gateway used.
    """

    def __init__(self, owner: Owner, epoch: str) -> None:
        self._owner = owner
        self.channels: Channels[Writing] = Channels(epoch, owner.settings.max_channels)
        self.held: dict[Writing, float] = {}  # publishers that are not read from, since when

    def received(self, connection: Writing, text: str) -> None:
        """Carry out one request, now or, behind others of the same client that wait, later."""
        if connection.parked is not None:
            connection.parked.append(text)
        elif (slow := self._run(connection, text)) is not None:
            self._hold(connection, text, slow)

    def publish(self, channel: str, data: bytes) -> int:
        """Send JSON text to all readers; one frame serves them all. Returns the message's offset."""
        readers = tuple(self.channels.readers(channel))  # a copy: delivering may close a reader
        offset = self.channels.next_offset(channel)
        counters = self._owner.counters
        counters.published += 1
        counters.deliveries += len(readers)
        if readers:
            message = Message(protocol.message(channel, offset, data), channel)
            now = self._owner.now()
            for reader in readers:
                reader.deliver(message, now)
        return offset

    def slowest(self, channel: str, size: int) -> Writing | None:
        """Return a reader whose queue has no room for `size` bytes of data, if publishers are to wait for readers.

        A reader that others wait for already counts as full: a small message must not overtake a large one for ever.
        """
        if self._owner.settings.overflow is not Overflow.WAIT:
            return None
        size += ENVELOPE_BYTES
        readers = self.channels.readers(channel)
        return next((reader for reader in readers if reader.waiters or not reader.has_room(size)), None)

    def wait_for(self, slow: Writing, wake: Callable[[], None]) -> None:
        """Call `wake` once, when this reader has written something, is gone, or the settings changed."""
        if slow.waiters is None:
            slow.waiters = deque()
        slow.waiters.append(wake)

    def wake(self, slow: Writing) -> None:
        """Let those who wait for this reader try again; not at once, for a message may be half way to its readers."""
        waiters, slow.waiters = slow.waiters, None
        for waiter in waiters or ():
            self._owner.soon(waiter)

    def gone(self, connection: Writing) -> None:
        """Forget a connection: its subscriptions, its waiting requests, and that others wait for it."""
        self.channels.leave(connection)
        self.held.pop(connection, None)
        connection.parked = None
        self.wake(connection)

    def _run(self, connection: Writing, text: str) -> Writing | None:
        """Carry out one request, or return the slow reader that it has to wait for."""
        if self._owner.settings.overflow is Overflow.WAIT and not connection.has_room(len(text) + ENVELOPE_BYTES):
            return connection  # its own answers have no room
        try:
            command = protocol.parse(text)
            if isinstance(command, Publish) and (slow := self.slowest(command.channel, len(command.data))):
                return slow
            answer = self._answer(connection, command)
        except RequestError as failed:
            self._owner.counters.errors[failed.code] += 1
            answer = protocol.error(failed)
        if answer is not None:
            connection.deliver(Message(answer), self._owner.now())
        return None

    def _answer(self, connection: Writing, command: protocol.Command) -> bytes | None:
        request = command.request
        if isinstance(command, Ping):
            return protocol.pong(request, command.data)
        if isinstance(command, Publish):
            offset = self.publish(command.channel, command.data)
            return None if request is None else protocol.ok(request, offset=offset)
        if isinstance(command, Subscribe):
            return self._subscribe(connection, command)
        if not isinstance(command, protocol.Unsubscribe):
            raise RequestError("unknown-command", "this gateway does not carry out that command", request)
        if not self.channels.unsubscribe(connection, command.channel):
            raise RequestError("not-subscribed", f"this connection does not read '{command.channel}'", request)
        return None if request is None else protocol.ok(request)

    def _subscribe(self, connection: Writing, command: Subscribe) -> bytes | None:
        limit = self._owner.settings.max_subscriptions
        try:
            position = self.channels.subscribe(connection, command.channel, limit)
        except TooManySubscriptionsError:
            sentence = f"one connection may read {limit} channels (max_subscriptions)"
            raise RequestError("too-many-subscriptions", sentence, command.request) from None
        if command.request is None:
            return None
        return protocol.ok(command.request, channel=command.channel, epoch=position.epoch, offset=position.offset)

    def _hold(self, connection: Writing, text: str, slow: Writing) -> None:
        """Stop reading from this client until `slow` has room: TCP then holds the publisher itself."""
        connection.parked = deque([text])
        self._owner.reading(connection, paused=True)
        self.held[connection] = self._owner.now()
        self._owner.counters.holds += 1
        log.event(
            logging.WARNING,
            "publisher held",
            connection=connection,
            slowest=slow,
            queued_bytes=slow.outbox.waiting_bytes,
            limit_bytes=self._owner.settings.queue_max_bytes,
        )
        self.wait_for(slow, lambda: self._resume(connection))

    def _resume(self, connection: Writing) -> None:
        """Carry out the requests that waited, until one has to wait again."""
        while connection.live and connection.parked:
            slow = self._run(connection, connection.parked[0])
            if slow is not None:
                self.wait_for(slow, lambda: self._resume(connection))
                return
            if connection.parked:
                connection.parked.popleft()
        if connection.parked is not None:
            connection.parked = None
            held_s = self._owner.now() - self.held.pop(connection, self._owner.now())
            log.event(logging.INFO, "publisher released", connection=connection, held_s=held_s)
            if connection.live:
                self._owner.reading(connection, paused=False)
