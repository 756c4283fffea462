"""Connections, as uvicorn serves them, with bounds: how many there are, how slow they are, how large heads may be."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from plumbline.deployment.serving.direct import Begin, Direct, Turn

HEAD_LIMIT = 64 << 10  # bytes of a head that is not complete


def protocol(max_connections: int, within_s: float, path: str, begin: Begin) -> type[Door]:
    """Return the protocol class.

    Args:
        max_connections: One more is told to come back, and closed.
        within_s: Seconds that a request may take to arrive, from its first byte or the connection's begin.
        path: Of inference requests, which are answered as `direct` says.
        begin: Answers them.
    """
    facts = {"most": max_connections, "within_s": within_s, "path": path.encode(), "begin": staticmethod(begin)}
    facts["turn"] = Turn()
    return type("BoundedDoor", (Door,), facts)


class Door(Direct):
    """One connection."""

    most: ClassVar[int]
    within_s: ClassVar[float]
    _head = 0
    _partial = False
    _heading = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            _refuse(transport, b"503 Service Unavailable", b"full", b"retry-after: 1\r\n")
            return
        self._timer = self.loop.call_later(self.within_s, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._on_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the connection was refused; what is still to come has a limited time."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self._partial:
            self._on_time()
            return
        if self._heading:
            self._head += len(data)
            if self._head > HEAD_LIMIT and not self.transport.is_closing():
                _refuse(self.transport, b"431 Request Header Fields Too Large", b"too_large", b"")
        if self._timer is None:
            self._timer = self.loop.call_later(self.within_s, self._late)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head = 0
        self._partial = self._heading = True

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._heading = False
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        self._partial = False
        super().on_message_complete()

    def _on_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            _refuse(self.transport, b"408 Request Timeout", b"slow_request", b"")


def fresh(connection: Any) -> bool:
    """Say whether a connection has not asked anything yet."""
    return isinstance(connection, Door) and not connection.asked and not connection.transport.is_closing()


def _refuse(transport: Any, status: bytes, reason: bytes, further: bytes) -> None:
    body = b'{"reason":"%s","error":"%s"}' % (reason, status.partition(b" ")[2])
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%sconnection: close\r\n\r\n"
    transport.write(head % (status, len(body), further) + body)
    transport.close()
