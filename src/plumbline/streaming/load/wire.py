"""Frames of one connection: as little per message as Python allows.

A message that goes to many connections is decoded once and looked up for the others: `Crew.memo` holds the deliveries
of whole payloads.
"""

from __future__ import annotations

import asyncio
import time
from enum import IntEnum
from typing import TYPE_CHECKING, cast

from plumbline.streaming.load import frames
from plumbline.streaming.load.dialects.base import Delivery, Event

if TYPE_CHECKING:
    from plumbline.streaming.load.crew import Crew
    from plumbline.streaming.load.plan import Role

HEAD_LIMIT = 16384  # bytes of an answer to the handshake
NO_CLOSE_FRAME = "lost"
_WHOLE = (0x81, 0x82)  # final text and binary frames
_FINAL, _OPCODE = 0x80, 0x0F


class Stage(IntEnum):
    """How far a connection is."""

    AWAY = 0
    OPENING = 1  # TCP or TLS is on its way
    ASKING = 2  # the WebSocket is asked for
    GREETING = 3  # the dialect's server has not greeted yet
    SUBSCRIBING = 4
    UP = 5


class Wire(asyncio.Protocol):
    """A connection's socket and frames, over all its reconnects.

    Args:
        crew: All connections of this process.
        role: What it reads.
    """

    __slots__ = ("attempts", "carry", "crew", "leaving", "pieces", "rest", "role", "said", "stage", "transport")

    def __init__(self, crew: Crew, role: Role) -> None:
        self.crew = crew
        self.role = role
        self.transport: asyncio.Transport | None = None
        self.stage = Stage.AWAY
        self.attempts = 0  # that failed, one after the other
        self.clear()

    def clear(self) -> None:
        """Begin anew, for the next socket."""
        self.rest = self.carry = b""  # a frame that is not whole; a message of the dialect that is not
        self.pieces: list[bytes] | None = None
        self.said: str | None = None  # the server's close code
        self.leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self.clear()
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.stage = Stage.ASKING
        self.transport.write(self.crew.opening(self.role.number, self.attempts))

    def data_received(self, data: bytes) -> None:
        """Read frames; the usual ones here, the others elsewhere."""
        now_us = time.monotonic_ns() // 1000
        if self.rest:
            data = self.rest + data
            self.rest = b""
        at = self._asked(data) if self.stage == Stage.ASKING else 0
        end = len(data)
        memo = self.crew.memo
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                size = int.from_bytes(data[at + 2 : start], "big") if start <= end else end
            if start + size > end:
                break
            first, payload = data[at], data[start : start + size]
            at = start + size
            if first not in _WHOLE:
                self._unusual(first, payload, now_us)
            elif (known := memo.get(payload)) is not None and not self.carry:
                for delivery in known:
                    self.delivered(delivery, now_us)
            else:
                self._message(payload, now_us)
        if at < end:
            self.rest = data[at:]

    def _asked(self, data: bytes) -> int:
        """Read the answer to the handshake; return where the frames begin."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > HEAD_LIMIT:
                self.drop("no-http")
            return len(data) if self.transport is None or self.transport.is_closing() else self._keep(data)
        why = frames.refusal(data[:end])
        if why is not None:
            self.drop(why)
            return len(data)
        self.opened()
        return end + 4

    def _keep(self, data: bytes) -> int:
        self.rest = data
        return len(data)

    def say(self, payload: bytes) -> None:
        """Send a message of the dialect."""
        if self.transport is not None:
            self.transport.write(frames.frame(self.crew.dialect.opcode, payload))

    def _message(self, payload: bytes, now_us: int) -> None:
        whole = self.carry + payload if self.carry else payload
        events, used = self.crew.dialect.decode(whole)
        if not self.carry and used == len(whole) and events and all(type(event) is Delivery for event in events):
            self.crew.remember(payload, events)
        self.carry = whole[used:]
        for event in events:
            self.event(event, now_us)

    def _unusual(self, first: int, payload: bytes, now_us: int) -> None:
        opcode = first & _OPCODE
        if opcode == frames.PING and self.transport is not None:
            self.transport.write(frames.frame(frames.PONG, payload))
        elif opcode == frames.CLOSE:
            self._closed(payload)
        elif opcode not in (frames.PONG, frames.PING):
            self._piece(first, payload, now_us)

    def _piece(self, first: int, payload: bytes, now_us: int) -> None:
        self.pieces = [*(self.pieces or ()), payload]
        if first & _FINAL:
            whole, self.pieces = b"".join(self.pieces), None
            self._message(whole, now_us)

    def _closed(self, payload: bytes) -> None:
        self.said = str(int.from_bytes(payload[:2], "big")) if len(payload) >= 2 else "1005"
        if self.transport is not None:
            self.transport.write(frames.frame(frames.CLOSE, payload[:2]))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the crew; whether it comes back is theirs to say."""
        del exc
        self.transport = None
        self.lost(self.said or NO_CLOSE_FRAME)

    def drop(self, why: str) -> None:
        """Give up on the server's answer."""
        self.said = why
        if self.transport is not None:
            self.transport.abort()

    def opened(self) -> None:
        """The WebSocket stands."""
        raise NotImplementedError

    def lost(self, code: str) -> None:
        """The connection ended, with the server's close code or another word for why."""
        raise NotImplementedError

    def delivered(self, delivery: Delivery, now_us: int) -> None:
        """A message came in."""
        raise NotImplementedError

    def event(self, event: Event, now_us: int) -> None:
        """The server said something."""
        raise NotImplementedError
