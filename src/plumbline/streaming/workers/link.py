"""One end of the Unix socket between a worker and its supervisor: frames in, frames out, one write per turn."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, cast

import msgspec

from plumbline.streaming.server import log
from plumbline.streaming.workers.wire import FromSupervisor, FromWorker, Splitter, WireError, decode, frame

BUFFER_BYTES = 64 << 20  # waiting for the other end; beyond it nothing is promised to it any more
DRAINED = 1 / 16  # of the limit: as much may wait still when the other end is said to read again
GOODBYE_S = 1.0  # for the other end to take what waits for it, when this one hangs up


class Link(asyncio.Protocol):
    """Sends and receives frames.

    Args:
        decoder: For the frames that the other end sends.
        received: Called with each value.
        ended: Called once, when the other end is gone.
        drained: Called when what waited for the other end has been taken, after there was more than a little.
        limit: Bytes that may wait; `room` says whether there is still place.
    """

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[Any],
        received: Callable[[Any], None],
        ended: Callable[[], None],
        *,
        drained: Callable[[], None] = lambda: None,
        limit: int = BUFFER_BYTES,
    ) -> None:
        self._decoder = decoder
        self._received = received
        self._ended = ended
        self._drained = drained
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._splitter = Splitter()
        self._pieces: list[bytes] = []
        self._pending = 0
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()
        self.writes = 0

    async def open(self, sock: socket.socket) -> None:
        """Begin on a connected Unix socket."""
        sock.setblocking(False)
        await self._loop.create_unix_connection(lambda: self, sock=sock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        low = int(self._limit * DRAINED)
        self._transport.set_write_buffer_limits(high=2 * low, low=low)

    def data_received(self, data: bytes) -> None:
        """Hand on each frame."""
        try:
            for body in self._splitter.bodies(data):
                with body:
                    value = decode(self._decoder, body)
                self._received(value)
        except WireError as failed:
            log.event(logging.ERROR, "relay broken", because=failed)
            self.close()

    def resume_writing(self) -> None:
        """Say that the other end reads again."""
        self._drained()

    def connection_lost(self, _error: Exception | None) -> None:
        """Say that it is gone."""
        self._transport = None
        self._pieces.clear()
        self._pending = 0
        self._gone.set()
        self._ended()

    @property
    def live(self) -> bool:
        """Whether there is another end."""
        return self._transport is not None

    @property
    def waiting(self) -> int:
        """Bytes that the other end has not taken."""
        return self._pending + (self._transport.get_write_buffer_size() if self._transport else 0)

    @property
    def room(self) -> bool:
        """Whether more may be promised to the other end."""
        return self.waiting < self._limit

    def send(self, value: FromWorker | FromSupervisor) -> None:
        """Send one value at the end of this turn."""
        self.send_frame(frame(value))

    def send_frame(self, piece: bytes) -> None:
        """Send a frame that is encoded already."""
        if self._transport is None:
            return
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(piece)
        self._pending += len(piece)

    def close(self) -> None:
        """Send what waits, and hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    async def hang_up(self) -> None:
        """Close, and wait until the socket is; the other end has `GOODBYE_S` to take what waits for it."""
        self.close()
        if self._transport is None:
            return
        try:
            await asyncio.wait_for(self._gone.wait(), GOODBYE_S)
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()
            await self._gone.wait()

    def _flush(self) -> None:
        if self._transport is None or not self._pieces:
            return
        pieces, self._pieces, self._pending = self._pieces, [], 0
        self.writes += 1
        self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
