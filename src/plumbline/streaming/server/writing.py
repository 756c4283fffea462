"""How a connection writes: directly while the socket takes it, through its outbox otherwise.

Frames go to the file descriptor itself: only the rest of one half-written frame ever waits in the transport, so pings,
pongs and closes, which go through the transport, stand behind one frame at most and never behind the queue.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Any, Protocol

from picows import WSListener, WSTransport

from plumbline.streaming.core.frames import PING_FRAME
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.outbox import Item, Limits, Outbox
from plumbline.streaming.core.settings import Settings

WRITE_BYTES = 65536  # per writev; large enough that its fixed cost vanishes
WRITE_FRAMES = 64
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 seconds


class Owner(Protocol):
    """What writing needs of the gateway."""

    settings: Settings
    limits: Limits
    turn: int

    def now(self) -> float:
        """Return the clock in seconds."""

    def flush_later(self, connection: Any) -> None:
        """Call `flush` at the end of this turn of the loop."""

    def overflowed(self, connection: Any, dropped: int) -> None:
        """The outbox was full: `dropped` messages were forgotten, or the connection has to be closed (0)."""


class Writing(WSListener):
    """The writing half of a connection.

    Args:
        owner: The gateway.
    """

    __slots__ = (
        "blocked",
        "corked",
        "dropping",
        "ending",
        "fd",
        "last_io",
        "outbox",
        "owner",
        "transport",
        "turn",
        "ws",
    )

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.ws: WSTransport | None = None
        self.transport: Any = None
        self.fd = -1
        self.last_io = owner.now()
        self.outbox = Outbox()
        self.blocked = False  # the transport holds the rest of a frame
        self.corked = False  # `flush` is due at the end of this turn
        self.dropping = False  # messages were dropped since the queue was last empty
        self.turn = -1  # the turn in which we last wrote directly
        self.ending: int | None = None  # the code we closed with

    @property
    def live(self) -> bool:
        """False as soon as a close frame was sent: nothing may follow it."""
        return self.fd >= 0 and self.ending is None and self.ws is not None and not self.ws.is_close_frame_sent

    def deliver(self, message: Message, now: float) -> None:
        """Send one message, or queue it.

        The first message of a loop turn is written at once; more of them in the same turn are joined into one write.
        """
        if not self.live:
            return
        if not self.blocked and not self.outbox.queued_bytes:
            if self.turn != self.owner.turn:
                self.turn = self.owner.turn
                self._write(message.frame, now)
                return
            if not self.corked:
                self.corked = True
                self.owner.flush_later(self)
        self._queue(message, now)

    def has_room(self, size: int) -> bool:
        """Say whether `deliver` would lose nothing and close nothing."""
        if not self.live or self.outbox.fits(size, self.owner.limits):
            return True
        if not self.blocked:
            self.flush()
        return not self.blocked or self.outbox.fits(size, self.owner.limits)

    def flush(self) -> None:
        """Write what waits, until the kernel takes no more."""
        self.corked = False
        while self.outbox.queued_bytes and not self.blocked and self.live:
            frames = self.outbox.batch(WRITE_BYTES, WRITE_FRAMES)
            count = self._send(frames)
            if count is None:
                return
            rest = self.outbox.written(count)
            self.last_io = self.owner.now()
            if rest:
                self._hand_over(rest)
        if not self.outbox.queued_bytes:
            self.dropping = False

    def ping(self, now: float) -> None:
        """Send a ping; it never waits for queued data."""
        if not self.live:
            return
        if self.blocked:
            self.transport.write(PING_FRAME)
        else:
            self._write(PING_FRAME, now)

    def abort(self) -> None:
        """Drop the socket now, with a reset.

        Closed in the ordinary way, a peer that takes nothing would leave its backlog in our kernel for minutes
        (FIN-WAIT-1).
        """
        if self.transport is not None:
            with contextlib.suppress(OSError):  # it is gone already
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()

    def _queue(self, message: Message, now: float) -> None:
        frame = message.frame
        limits, policy = self.owner.limits, self.owner.settings.overflow
        if not self.outbox.fits(len(frame), limits) and not self.blocked:
            self.flush()
            if not self.blocked:
                self._write(frame, now)
                return
        before = self.outbox.dropped
        if not self.outbox.offer(Item(frame, message.channel, now), limits, policy):
            self.owner.overflowed(self, 0)
        elif self.outbox.dropped != before:
            self.owner.overflowed(self, self.outbox.dropped - before)

    def _write(self, frame: bytes, now: float) -> None:
        count = self._send([frame])
        if count is None:
            return
        self.last_io = now
        if count != len(frame):
            self.outbox.in_flight = len(frame) - count
            self._hand_over(frame[count:])

    def _hand_over(self, rest: bytes) -> None:
        self.transport.write(rest)
        if not self.blocked:
            self.outbox.in_flight = 0

    def _send(self, frames: list[bytes]) -> int | None:
        """Write without blocking; None if the connection is broken, which its reader side then reports."""
        try:
            return os.write(self.fd, frames[0]) if len(frames) == 1 else os.writev(self.fd, frames)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.abort()
            return None
