"""One client that reads server-sent events: the same queue, policies and reasons as a WebSocket, another wire."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from typing import Any

from plumbline.streaming.core import sse
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.message import Message
from plumbline.streaming.server.link import Link
from plumbline.streaming.server.writing import Writing


class Events(Writing):
    """One client.

    Args:
        owner: The gateway.
        link: The socket, its request read.
        number: Counts accepted connections.
        host: The client's IP address.
        port: Its port.
    """

    __slots__ = ("came_with", "positions")

    def __init__(self, owner: Any, link: Link, number: int, host: str, port: int) -> None:
        super().__init__(owner, link, number, host, port)
        self.positions: dict[str, Position] = {}
        self.came_with: Mapping[str, Position] = {}

    # What the link calls.

    def received(self, data: bytes) -> None:
        """Forget what an `EventSource` would never send: a second request, for one."""

    # What the gateway calls.

    def head(self, headers: Mapping[str, str]) -> bytes:
        """Return the first bytes that the client gets."""
        return sse.opening(headers, self._retry_s())

    @property
    def envelope(self) -> int:
        """Bytes around an event's JSON text: its id names this client's place in all its channels."""
        return 100 + len(sse.write_positions(self.positions))

    def encode(self, message: Message) -> bytes:
        """Return the event; its id is this client's place in all its channels."""
        position = message.position
        if position is not None and message.channel is not None:
            self.positions[message.channel] = position
        elif message.channel is None and len(self.positions) < self.owner.settings.max_subscriptions:
            began = sse.first_position(message.payload, self.came_with)
            if began is not None:
                self.positions[began[0]] = began[1]
        return b"id: %b\n%b" % (sse.write_positions(self.positions), message.block)

    def goodbye(self, code: int, sentence: str) -> bytes:
        """Return the last event."""
        return sse.closing(code, sentence, self._retry_s())

    def close(self, code: int, sentence: str) -> int:
        """Send what can be sent at once, then the last event, and no more."""
        lost = super().close(code, sentence)
        self.link.finish()
        return lost

    def ping(self, now: float) -> None:
        """Send a comment. Nobody answers it: a client that is dead takes no bytes, and TCP gives up on it."""
        if not self.live:
            return
        if self.blocked:
            return  # it waits for bytes already
        self._write(sse.HEARTBEAT, now)
        self.owner.heard(self)

    def begin(self, head: bytes) -> None:
        """Answer, and have the kernel give up on a client that acknowledges nothing in time."""
        limit_s = self.owner.settings.write_timeout_s
        if limit_s and hasattr(socket, "TCP_USER_TIMEOUT"):
            self.link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(limit_s * 1000))
        super().begin(head)

    def _retry_s(self) -> float:
        return float(self.owner.settings.sse_retry_s * (0.5 + random.random()))  # noqa: S311 - spreads retries
