"""One WebSocket connection: thin I/O between its socket and the pure core.

What comes in goes to the gateway as whole messages; what goes out is `Writing`'s part.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any, Protocol

from plumbline.streaming.core.assembly import Assembler
from plumbline.streaming.core.closes import INTERNAL_ERROR, NO_CODE, CloseError
from plumbline.streaming.core.framereader import Frame, FrameReader, close_code
from plumbline.streaming.core.frames import CLOSE, PING, PING_FRAME, PONG, close_frame, control_frame
from plumbline.streaming.core.message import Message
from plumbline.streaming.server import log, owner
from plumbline.streaming.server.link import Link
from plumbline.streaming.server.run import Run
from plumbline.streaming.server.writing import Writing


class Patience(Protocol):
    """Who watches messages that come slowly."""

    def began(self, connection: Writing) -> None:
        """A message has come in part."""

    def whole(self, connection: Writing) -> None:
        """Nothing that began is missing any more."""


class Owner(owner.Owner, Protocol):
    """What a WebSocket needs of the gateway besides."""

    def received(self, connection: Writing, text: str) -> None:
        """A whole message came in."""

    def frame(self, connection: Writing) -> bool:
        """Count a frame; False: there are too many of them, and the client was closed."""

    def refused(self, connection: Writing, code: int, sentence: str) -> None:
        """The client sent what it must not: close it."""

    @property
    def patience(self) -> Patience:
        """Who watches how long a message takes that has come in part."""


class Connection(Writing):
    """One client.

    Args:
        owner: The gateway.
        link: The socket, its handshake answered.
        number: Counts accepted connections.
        host: The client's IP address.
        port: Its port.
    """

    __slots__ = ("assembler", "begun", "peer_code", "pong_due", "reader")

    def __init__(self, owner: Owner, link: Link, number: int, host: str, port: int) -> None:
        super().__init__(owner, link, number, host, port)
        self.reader: FrameReader | None = FrameReader()  # None: the client broke the rules, nothing it says counts
        self.assembler: Assembler | None = None  # while a message has come in part
        self.begun = False  # a message has come in part, and the gateway watches how long it takes
        self.peer_code: int | None = None  # the code the client closed with
        self.pong_due: bytes | None = None

    # What the link calls.

    def received(self, data: bytes) -> None:
        """Take bytes: control frames are answered at once, data goes by way of the assembler."""
        self.last_io = self.owner.now()
        self.owner.heard(self)
        if self.reader is None:
            return
        try:
            for frame in self.reader.feed(data, self.owner.settings.max_message_bytes):
                self._take(frame)
                if self.peer_code is not None or self.reader is None:
                    return
                if self.begun and self.assembler is None:
                    self.begun = False
                    self.owner.patience.whole(self)
            if not self.begun and (self.assembler is not None or self.reader.held_bytes):
                self.begun = True
                self.owner.patience.began(self)
        except CloseError as error:
            self.refused_bytes = error.size_bytes
            self._broken(error.code, error.sentence)
        except Exception:
            logging.getLogger(log.NAME).exception("internal error: connection=%s", self)
            self._broken(INTERNAL_ERROR, "the gateway met an error of its own")

    def writable(self) -> None:
        """Answer the last ping, and go on writing."""
        if self.pong_due is not None and self.live:
            due, self.pong_due = self.pong_due, None
            self.link.send(control_frame(PONG, due))
            if self.link.rest is not None:  # we are called again when it is out: nothing may come between
                self._hold(b"")
                return
        super().writable()

    # What the gateway calls.

    def encode(self, message: Message) -> bytes:
        """Return the frame that all readers of the message share."""
        return message.frame

    def _write_run(self, run: Run, now: float) -> None:
        """Write the bytes that all readers share."""
        whole = run.whole
        count = self.link.write_one(whole)
        if count == len(whole) and self.link.rest is None:
            self.last_io = now
        elif count is not None:
            self._written(count, run.frames, run, now)

    def take_rest(self, count: int, run: Run, now: float) -> None:
        """Queue what the kernel did not take of a run."""
        self._written(count, run.frames, run, now)

    def goodbye(self, code: int, sentence: str) -> bytes:
        """Return the close frame."""
        return close_frame(code, sentence)

    def ping(self, now: float) -> None:
        """Send a ping; it never waits for queued data."""
        if not self.live:
            return
        if self.blocked:
            self.link.hold(PING_FRAME)
        else:
            self._write(PING_FRAME, now)

    def how_it_ended(self) -> tuple[int, str, bool]:
        """Return the close code, who closed, and whether both sides said goodbye."""
        if self.ending is not None:
            return self.ending, "server", self.peer_code is not None
        if self.peer_code is not None:
            return self.peer_code, "peer", True
        return super().how_it_ended()

    def deafen(self) -> None:
        """Listen to this client no more."""
        self.reader = self.assembler = None
        super().deafen()

    # How it is done.

    def _take(self, frame: Frame) -> None:
        if not self.owner.frame(self):
            return
        if frame.opcode == CLOSE:
            self._peer_closes(frame)
        elif self.ending is not None or frame.opcode == PONG:
            return
        elif frame.opcode == PING:
            self._answer_ping(frame.payload)
        else:
            self._data(frame)

    def _data(self, frame: Frame) -> None:
        assembler = self.assembler or Assembler()
        text = assembler.feed(
            frame.opcode,
            frame.payload,
            final=frame.final,
            reserved=False,  # the reader has seen to it
            limit=self.owner.settings.max_message_bytes,
        )
        self.assembler = assembler if text is None else None
        if text is not None:
            self.owner.received(self, text)

    def _answer_ping(self, payload: bytes) -> None:
        if self.blocked:
            self.pong_due = payload  # only the last is kept: RFC 6455 allows it, and pings cannot fill memory
        else:
            self._write(control_frame(PONG, payload), self.last_io)

    def _peer_closes(self, frame: Frame) -> None:
        self.peer_code = close_code(frame.payload)
        self.outbox.clear()
        self.live = False
        if self.ending is None:
            self.link.send(close_frame(1000 if self.peer_code == NO_CODE else self.peer_code, ""))
        self.link.close()

    def _broken(self, code: int, sentence: str) -> None:
        self.reader = self.assembler = None
        self.owner.refused(self, code, sentence)
        self.link.finish()


def write_to_all(readers: Iterable[Any], run: Run, now: float, turn: int) -> None:
    """Send a channel's messages of this turn to its readers; to idle WebSockets they are written here, without a call.

    With a call for each step, Python would add a third to what the kernel takes for a write. Whoever is not idle,
    speaks TLS or reads events goes its own way, in its turn.

    Args:
        readers: As `Writing`, or what looks like it.
        run: What they get.
        now: The clock, in seconds.
        turn: The turn of the loop.
    """
    whole, write = run.whole, os.write
    size = len(whole)
    for reader in readers:
        if type(reader) is not Connection or type(reader.link) is not Link:
            reader.take(run, now)
            continue
        # Nothing waits in the outbox of who is neither blocked nor corked, and nothing of this turn is out before it.
        if reader.blocked or reader.corked or reader.turn == turn or not reader.live:
            reader.take(run, now)
            continue
        reader.turn = turn
        try:
            count = write(reader.link.fd, whole)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError:
            reader.link.abort()
            continue
        if count == size:
            reader.last_io = now
        else:
            reader.take_rest(count, run, now)
