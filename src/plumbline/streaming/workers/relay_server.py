"""The supervisor's end of the relay: one broker for all workers, and each message once to each worker that wants it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from plumbline.streaming.core.broker import Broker, BrokerError, Member, Past, Position
from plumbline.streaming.core.tracing import Traced, trace_of
from plumbline.streaming.server import log
from plumbline.streaming.workers import wire
from plumbline.streaming.workers.link import BUFFER_BYTES, Link


class Session:
    """One worker's connection to the relay.

    Args:
        worker: Its name, for the log.
        server: The relay.
        limit: Bytes that may wait for it.
    """

    def __init__(self, worker: str, server: RelayServer, limit: int) -> None:
        self.worker = worker
        self.channels: set[str] = set()
        self.present: set[tuple[str, str]] = set()
        self.lagging = False
        self.skipped = 0  # messages that were not sent because it did not read
        self.messages = 0
        self._server = server
        self._limit = limit
        self.link = Link(wire.from_worker, self._take, self._ended, drained=self._drained, limit=limit)
        self._actions: dict[type, Callable[[Any], None]] = {
            wire.Attach: lambda asked: server.attach(self, asked),
            wire.Detach: lambda asked: server.detach(self, asked.channel),
            wire.Publish: self._publish,
            wire.AskPast: self._past,
            wire.AskHead: lambda asked: server.broker.head(asked.channel, self._positioned(asked.request)),
            wire.Join: self._join,
            wire.Leave: self._leave,
            wire.AskMembers: self._members,
        }

    def arrived(self, piece: bytes) -> None:
        """Send one message; a worker that has not read for long gets none until it has, and is told then."""
        if self.lagging:
            self.skipped += 1
        elif self.link.room:
            self.messages += 1
            self.link.send_frame(piece)
        else:
            self.lagging = True
            self.skipped += 1
            log.event(
                logging.ERROR,
                "relay buffer full",
                worker=self.worker,
                waiting_bytes=self.link.waiting,
                limit_bytes=self._limit,
                action="interrupt",
            )

    def attached(self, request: int) -> Callable[[Position | BrokerError], None]:
        """Return a callback that answers an `Attach`."""
        return self._positioned(request)

    def _take(self, asked: wire.FromWorker) -> None:
        self._actions[type(asked)](asked)

    def _publish(self, asked: wire.Publish) -> None:
        data = Traced.of(asked.data, asked.trace)
        self._server.broker.publish(asked.channel, data, asked.key, self._positioned(asked.request))

    def _past(self, asked: wire.AskPast) -> None:
        since = None if asked.epoch is None else Position(asked.epoch, asked.offset)

        def done(found: Past | BrokerError) -> None:
            if isinstance(found, BrokerError):
                self.link.send(wire.Failed(asked.request, found.code, found.message))
                return
            at = found.position
            entries = tuple((entry.offset, bytes(entry.data), trace_of(entry.data)) for entry in found.entries)
            self.link.send(wire.History(asked.request, at.epoch, at.offset, found.recovered, entries))

        self._server.broker.past(asked.channel, since, asked.limit, done, part=asked.part)

    def _join(self, asked: wire.Join) -> None:
        self.present.add((asked.channel, asked.client))
        self._server.broker.join(asked.channel, Member(asked.client, asked.user, asked.since))

    def _leave(self, asked: wire.Leave) -> None:
        self.present.discard((asked.channel, asked.client))
        self._server.broker.leave(asked.channel, asked.client)

    def _members(self, asked: wire.AskMembers) -> None:
        def done(found: tuple[Member, ...] | BrokerError) -> None:
            if isinstance(found, BrokerError):
                self.link.send(wire.Failed(asked.request, found.code, found.message))
            else:
                people = tuple((item.client, item.user, item.since) for item in found)
                self.link.send(wire.Present(asked.request, people))

        self._server.broker.members(asked.channel, done)

    def _positioned(self, request: int) -> Callable[[Position | BrokerError], None]:
        def done(found: Position | BrokerError) -> None:
            if isinstance(found, BrokerError):
                self.link.send(wire.Failed(request, found.code, found.message))
            else:
                self.link.send(wire.Positioned(request, found.epoch, found.offset))

        return done

    def _drained(self) -> None:
        if not self.lagging:
            return
        self.lagging = False
        self._server.forget(self)
        self.link.send(wire.Interrupted(None, f"this worker did not read {self.skipped} messages in time"))
        log.event(logging.WARNING, "relay resumed", worker=self.worker, skipped=self.skipped)

    def _ended(self) -> None:
        self._server.ended(self)


class RelayServer:
    """Serves workers from one broker in this process.

    A worker that does not read has at most `limit` bytes waiting for it. Beyond that it is sent no more messages; when
    it reads again it is told that continuity is lost, and fetches what it missed from history. Answers to its own
    requests are always sent: it makes no new ones while it does not read.

    Args:
        broker: Keeps the channels. It must answer `attach` and `head` at once, as one in the same process does.
        limit: Bytes that may wait for one worker.
    """

    def __init__(self, broker: Broker, *, limit: int = BUFFER_BYTES) -> None:
        self.broker = broker
        self.sessions: list[Session] = []
        self.messages = 0  # that came from the broker
        self._limit = limit
        self._readers: dict[str, list[Session]] = {}

    async def start(self) -> None:
        """Begin to work."""
        await self.broker.start(self)

    async def stop(self) -> None:
        """Hang up on all workers."""
        for session in list(self.sessions):
            await session.link.hang_up()
        await self.broker.stop()

    async def serve(self, sock: socket.socket, worker: str) -> Session:
        """Serve a worker at the other end of this socket."""
        session = Session(worker, self, self._limit)
        await session.link.open(sock)
        self.sessions.append(session)
        return session

    def attach(self, session: Session, asked: wire.Attach) -> None:
        """Send this channel to a worker from now on."""
        answer = session.attached(asked.request)
        readers = self._readers.get(asked.channel)
        if readers is not None:
            self._add(session, asked.channel)
            self.broker.head(asked.channel, answer)
            return

        def done(found: Position | BrokerError) -> None:
            if isinstance(found, Position):
                self._add(session, asked.channel)
            answer(found)

        self.broker.attach(asked.channel, done)

    def detach(self, session: Session, channel: str) -> None:
        """Send it no more."""
        if channel not in session.channels:
            return
        session.channels.remove(channel)
        readers = self._readers[channel]
        readers.remove(session)
        if not readers:
            del self._readers[channel]
            self.broker.detach(channel)

    def forget(self, session: Session) -> None:
        """Detach all channels of a worker."""
        for channel in list(session.channels):
            self.detach(session, channel)

    def ended(self, session: Session) -> None:
        """Forget a worker that is gone: its channels, and its clients' presence."""
        if session in self.sessions:
            self.sessions.remove(session)
        self.forget(session)
        for channel, client in session.present:
            self.broker.leave(channel, client)
        session.present.clear()

    def arrived(self, channel: str, position: Position, data: bytes) -> None:
        """Pass a message on: encoded once, one frame for each worker that reads the channel."""
        readers = self._readers.get(channel)
        if not readers:
            return
        self.messages += 1
        piece = wire.frame(wire.Arrived(channel, position.epoch, position.offset, bytes(data), trace_of(data)))
        for session in readers:
            session.arrived(piece)

    def interrupted(self, channel: str | None, because: str) -> None:
        """Pass on that continuity is lost."""
        for session in list(self.sessions):
            if channel is None or channel in session.channels:
                self.forget(session) if channel is None else self.detach(session, channel)
                session.link.send(wire.Interrupted(channel, because))

    def _add(self, session: Session, channel: str) -> None:
        if channel not in session.channels:
            session.channels.add(channel)
            self._readers.setdefault(channel, []).append(session)
