"""The broker of a worker: asks the supervisor, which keeps order, history and presence for all workers."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from plumbline.streaming.core.broker import BrokerError, Entry, Member, Past, Position, Receiver
from plumbline.streaming.core.tracing import Traced, trace_of
from plumbline.streaming.server import log
from plumbline.streaming.workers import wire
from plumbline.streaming.workers.link import BUFFER_BYTES, Link

Answer = Callable[[Any], None]


class RelayBroker:
    """Meets `plumbline.streaming.core.broker.Broker` over a Unix socket to the supervisor.

    When the supervisor is gone everything is answered `unavailable`, and the receiver is told that continuity is lost.
    When the supervisor does not read, requests beyond `limit` bytes are refused at once: nothing grows without bound.

    Args:
        sock: A connected Unix socket whose other end a `RelayServer` serves.
        limit: Bytes that may wait for the supervisor.
    """

    def __init__(self, sock: socket.socket, *, limit: int = BUFFER_BYTES) -> None:
        self._sock = sock
        self._limit = limit
        self._link: Link | None = None
        self._receiver: Receiver | None = None
        self._asked = 0
        self._waiting: dict[int, Answer] = {}
        self._wanted: dict[str, int] = {}  # channel: the request that attached it last
        self._attaching: dict[int, str] = {}
        self._live: set[str] = set()  # its answer is here: what arrives now comes after the position in it
        self._stopping = False

    async def start(self, receiver: Receiver) -> None:
        """Begin to work.

        Raises:
            BrokerError: The socket leads nowhere.
        """
        self._receiver = receiver
        link = Link(wire.from_supervisor, self._take, self._lost, limit=self._limit)
        try:
            await link.open(self._sock)
        except OSError as failed:
            raise BrokerError("unavailable", f"the supervisor cannot be reached: {failed.strerror or failed}") from None
        self._link = link

    async def stop(self) -> None:
        """Hang up; unanswered requests are answered `unavailable`."""
        self._stopping = True
        self._fail_all("the worker stops")
        if self._link is not None:
            await self._link.hang_up()

    def attach(self, channel: str, done: Callable[[Position | BrokerError], None]) -> None:
        """Send me what is published in this channel."""
        self._live.discard(channel)
        request = self._ask(done)
        if request is not None:
            self._wanted[channel] = request
            self._attaching[request] = channel
            self._send(wire.Attach(request, channel))

    def detach(self, channel: str) -> None:
        """Send me no more of it."""
        self._live.discard(channel)
        if self._wanted.pop(channel, None) is not None:
            self._send(wire.Detach(channel))

    def publish(
        self, channel: str, data: bytes, key: str | None, done: Callable[[Position | BrokerError], None]
    ) -> None:
        """Store JSON text as the channel's next message, and send it to all who are attached."""
        request = self._ask(done)
        if request is not None:
            self._send(wire.Publish(request, channel, bytes(data), key, trace_of(data)))

    def past(
        self,
        channel: str,
        since: Position | None,
        limit: int,
        done: Callable[[Past | BrokerError], None],
        *,
        part: bool = False,
    ) -> None:
        """Return the messages after `since`, or the newest `limit` ones if it is None."""
        request = self._ask(done)
        if request is not None:
            epoch, offset = (since.epoch, since.offset) if since is not None else (None, 0)
            self._send(wire.AskPast(request, channel, epoch, offset, limit, part))

    def head(self, channel: str, done: Callable[[Position | BrokerError], None]) -> None:
        """Return where the channel stands."""
        request = self._ask(done)
        if request is not None:
            self._send(wire.AskHead(request, channel))

    def join(self, channel: str, member: Member) -> None:
        """Note that this client is present."""
        self._send(wire.Join(channel, member.client, member.user, member.since))

    def leave(self, channel: str, client: str) -> None:
        """Note that it is not."""
        self._send(wire.Leave(channel, client))

    def members(self, channel: str, done: Callable[[tuple[Member, ...] | BrokerError], None]) -> None:
        """Return who is present."""
        request = self._ask(done)
        if request is not None:
            self._send(wire.AskMembers(request, channel))

    def _ask(self, done: Answer) -> int | None:
        """Return a number for a request, or answer it at once if it cannot be sent."""
        if self._link is None or self._stopping or not self._link.live:
            done(BrokerError("unavailable", "the supervisor is gone"))
            return None
        if not self._link.room:
            done(BrokerError("unavailable", f"{self._limit} bytes wait for the supervisor already"))
            return None
        self._asked += 1
        self._waiting[self._asked] = done
        return self._asked

    def _send(self, value: wire.FromWorker) -> None:
        if self._link is not None:
            self._link.send(value)

    def _take(self, value: wire.FromSupervisor) -> None:
        if isinstance(value, wire.Arrived):
            if value.channel in self._live and self._receiver is not None:
                data = Traced.of(value.data, value.trace)
                self._receiver.arrived(value.channel, Position(value.epoch, value.offset), data)
        elif isinstance(value, wire.Interrupted):
            self._interrupted(value.channel, value.because)
        else:
            self._answered(value)

    def _answered(self, value: wire.Positioned | wire.History | wire.Present | wire.Failed) -> None:
        done = self._waiting.pop(value.request, None)
        if done is None:  # answered already, when this worker began to stop
            return
        channel = self._attaching.pop(value.request, None)
        if channel is not None and self._wanted.get(channel) == value.request:
            self._attached(channel, succeeded=isinstance(value, wire.Positioned))
        if isinstance(value, wire.Positioned):
            done(Position(value.epoch, value.offset))
        elif isinstance(value, wire.History):
            entries = tuple(Entry(offset, Traced.of(data, trace)) for offset, data, trace in value.entries)
            done(Past(Position(value.epoch, value.offset), entries, value.recovered))
        elif isinstance(value, wire.Present):
            done(tuple(Member(*item) for item in value.members))
        else:
            done(BrokerError(value.code, value.message))

    def _attached(self, channel: str, *, succeeded: bool) -> None:
        if succeeded:
            self._live.add(channel)
        else:
            del self._wanted[channel]

    def _interrupted(self, channel: str | None, because: str) -> None:
        if channel is None:
            self._live.clear()
            self._wanted.clear()
        else:
            self._live.discard(channel)
            self._wanted.pop(channel, None)
        if self._receiver is not None:
            self._receiver.interrupted(channel, because)

    def _lost(self) -> None:
        if self._stopping:
            return
        log.event(logging.ERROR, "supervisor lost", unanswered=len(self._waiting))
        self._fail_all("the supervisor is gone")
        self._interrupted(None, "the supervisor is gone")

    def _fail_all(self, sentence: str) -> None:
        waiting, self._waiting = self._waiting, {}
        for done in waiting.values():
            done(BrokerError("unavailable", sentence))
