"""One non-blocking socket: it reads what comes, and holds no more than the rest of one write.

The event loop only says when the socket is ready; no transport stands between, so a backlog can hide nowhere: what the
kernel does not take is held here, counted, and the connection knows at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from typing import Protocol

READ_BYTES = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 seconds


class Peer(Protocol):
    """Whom a link tells."""

    def received(self, data: bytes) -> None:
        """Bytes came."""

    def ended(self) -> None:
        """The other side sends no more; the link is still open for writing."""

    def writable(self) -> None:
        """What was held is out."""

    def lost(self) -> None:
        """The socket is closed, whoever closed it. Comes once, and last."""


class _Nobody:
    """Stands where a peer was."""

    def received(self, data: bytes) -> None:
        """Do nothing."""

    def ended(self) -> None:
        """Do nothing."""

    def writable(self) -> None:
        """Do nothing."""

    def lost(self) -> None:
        """Do nothing."""


NOBODY = _Nobody()


class Link:
    """A plain TCP socket.

    Args:
        loop: The running event loop.
        sock: Connected and non-blocking; the link closes it.
        peer: Told from the next turn of the loop on.
    """

    __slots__ = ("_ending", "_loop", "fd", "peer", "rest", "sock")
    secure = False
    batch_bytes = 65536  # per writev; large enough that its fixed cost vanishes
    started = True  # the bytes that come are the client's own; of a TLS link only after the handshake

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, peer: Peer) -> None:
        self._loop = loop
        self.sock = sock
        self.fd = sock.fileno()
        self.peer = peer
        self.rest: memoryview | None = None
        self._ending = False
        loop.add_reader(self.fd, self._readable)

    @property
    def open(self) -> bool:
        """False when the socket is closed."""
        return self.fd >= 0

    @property
    def held(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self.rest) if self.rest is not None else 0

    def write(self, frames: list[bytes]) -> int | None:
        """Write without waiting; nothing may be held.

        Returns:
            How many bytes are taken care of, from the front. None if the connection is broken: `Peer.lost` follows.
        """
        try:
            return os.write(self.fd, frames[0]) if len(frames) == 1 else os.writev(self.fd, frames)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.abort()
            return None

    def write_one(self, frame: bytes) -> int | None:
        """Write one frame as `write` does; this is where messages go out, so it is short."""
        try:
            return os.write(self.fd, frame)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.abort()
            return None

    def hold(self, rest: bytes) -> None:
        """Write this as soon as the kernel takes it, behind what is held already."""
        if self.fd < 0 or not rest:
            return
        if self.rest is None:
            self.rest = memoryview(rest)
            self._loop.add_writer(self.fd, self._writable)
        else:
            self.rest = memoryview(bytes(self.rest) + rest)

    def send(self, data: bytes) -> None:
        """Write this, or hold what the kernel does not take of it."""
        if self.fd < 0:
            return
        count = 0 if self.rest is not None else self.write([data])
        if count is not None:
            self.hold(data[count:])

    def look(self) -> None:
        """Read what is there already, as most requests are when a socket's turn comes: it saves an event."""
        if self.fd >= 0:
            self._readable()

    def reading(self, *, on: bool) -> None:
        """Go on reading, or stop: TCP then holds the other side."""
        if self.fd < 0:
            return
        if on:
            self._loop.add_reader(self.fd, self._readable)
        else:
            self._loop.remove_reader(self.fd)

    def close(self) -> None:
        """Close when what is held is out."""
        self._ending = True
        if self.rest is None:
            self._close()

    def finish(self) -> None:
        """Send no more, and let the other side read the last of it: it closes, or is dropped by its deadline.

        Closed at once, a socket with unread bytes resets the connection, and the answer is lost with it.
        """
        with contextlib.suppress(OSError):  # it is gone already
            if self.rest is None and self.fd >= 0:
                self.sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Drop the socket now, with a reset.

        Closed in the ordinary way, a peer that takes nothing would leave its backlog in our kernel for minutes
        (FIN-WAIT-1).
        """
        if self.fd >= 0:
            with contextlib.suppress(OSError):  # it is gone already
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._close()

    def _readable(self) -> None:
        data = self._read()
        if data:
            self.peer.received(data)
            # libuv reports a reset once and looks no more, also when there were bytes in front of it.
            if self.fd >= 0 and self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._close()
        elif data is not None:
            self._loop.remove_reader(self.fd)  # else it is reported without end
            self.peer.ended()

    def _read(self) -> bytes | None:
        """Return what came; empty at the end, None for nothing."""
        try:
            return self.sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            self._close()
            return None

    def _writable(self) -> None:
        if self.rest is None:
            return
        try:
            self.rest = self.rest[os.write(self.fd, self.rest) :]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close()
            return
        if self.rest:
            return
        self.rest = None
        self._loop.remove_writer(self.fd)
        if self._ending:
            self._close()
        else:
            self.peer.writable()

    def _close(self) -> None:
        if self.fd < 0:
            return
        self._loop.remove_reader(self.fd)
        self._loop.remove_writer(self.fd)
        self.fd = -1
        self.rest = None
        self.sock.close()
        self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        peer, self.peer = self.peer, NOBODY  # nothing that is gone refers to itself: the collector has no work with it
        peer.lost()
