"""One WebSocket connection: thin I/O between picows and the pure core.

What comes in goes to the gateway as whole messages; what goes out is `Writing`'s part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from picows import WSFrame, WSMsgType, WSTransport

from plumbline.streaming.core.assembly import Assembler
from plumbline.streaming.core.closes import LOST, NO_CODE, CloseError, Ended, label
from plumbline.streaming.server import writing
from plumbline.streaming.server.writing import Writing


class Owner(writing.Owner, Protocol):
    """What a connection needs of the gateway."""

    def opened(self, connection: Connection) -> None:
        """The handshake is complete."""

    def heard(self, connection: Connection) -> None:
        """A frame came in."""

    def received(self, connection: Connection, text: str) -> None:
        """A whole message came in."""

    def stalled(self, connection: Connection) -> None:
        """The kernel takes no more bytes for this client."""

    def writable(self, connection: Connection) -> None:
        """It takes bytes again, and some have left the outbox."""

    def refused(self, connection: Connection, code: int, sentence: str) -> None:
        """The client sent what it must not: close it."""

    def gone(self, connection: Connection, ended: Ended) -> None:
        """The socket is closed."""


class Connection(Writing):
    """One client.

    Args:
        owner: The gateway.
        number: Counts accepted connections.
        peer: The client's address.
    """

    __slots__ = ("accepted_at", "assembler", "number", "parked", "peer", "peer_code", "pong_due", "waiters")
    owner: Owner

    def __init__(self, owner: Owner, number: int, peer: str) -> None:
        super().__init__(owner)
        self.number = number
        self.peer = peer
        self.accepted_at = self.last_io
        self.assembler = Assembler()
        self.peer_code: int | None = None  # the code the client closed with
        self.pong_due: bytes | None = None
        self.parked: deque[str] | None = None  # requests that wait, while the client is not read from
        self.waiters: deque[Callable[[], None]] | None = None  # publishers that wait for room here

    def __str__(self) -> str:
        return f"c{self.number}/{self.peer}"

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take over the socket after the handshake."""
        self.ws = transport
        self.transport = transport.underlying_transport
        self.fd = self.transport.get_extra_info("socket").fileno()
        # High water 0: `pause_writing` tells of any byte that the kernel did not take, so `blocked` is exact.
        self.transport.set_write_buffer_limits(high=0)
        self.owner.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame: control frames at once, data by way of the assembler."""
        self.last_io = self.owner.now()
        self.owner.heard(self)
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._peer_closes(frame.get_payload_as_bytes())
        elif self.ending is not None or transport.is_close_frame_sent or kind == WSMsgType.PONG:
            return
        elif kind == WSMsgType.PING:
            self._answer_ping(frame.get_payload_as_bytes())
        else:
            self._data(int(kind), frame)  # type: ignore[call-overload]  # the stub calls this IntEnum an Enum

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell the gateway how it ended."""
        self.fd = -1
        self.outbox.clear()
        self.outbox.in_flight = 0
        code, by, clean = self._how_it_ended(transport)
        now = self.owner.now()
        ended = Ended(code, label(code), by, now - self.last_io, now - self.accepted_at, clean, now)
        self.owner.gone(self, ended)

    def pause_writing(self) -> None:
        """Note that the kernel takes no more."""
        self.blocked = True
        self.owner.stalled(self)

    def resume_writing(self) -> None:
        """Go on writing: the half-written frame is out."""
        self.blocked = False
        self.outbox.in_flight = 0
        self.last_io = self.owner.now()
        if self.pong_due is not None and self.ws is not None and self.ending is None:
            due, self.pong_due = self.pong_due, None
            self.ws.send_pong(due)
        self.flush()
        self.owner.writable(self)

    # What the gateway calls.

    def close(self, code: int, sentence: str) -> None:
        """Send what can be sent, then the close frame; the gateway drops the socket if the client does not answer."""
        if not self.live or self.ws is None:
            return
        if not self.blocked:
            self.flush()
        self.ending = code
        self.outbox.clear()
        self.ws.send_close(code, sentence.encode()[:123].decode(errors="ignore"))  # type: ignore[arg-type]  # any code

    # How it is done.

    def _data(self, opcode: int, frame: WSFrame) -> None:
        try:
            text = self.assembler.feed(
                opcode,
                frame.get_payload_as_bytes(),
                final=bool(frame.fin),
                reserved=bool(frame.rsv1 or frame.rsv2 or frame.rsv3),
                limit=self.owner.settings.max_message_bytes,
            )
        except CloseError as error:
            self.owner.refused(self, error.code, error.sentence)
            return
        if text is not None:
            self.owner.received(self, text)

    def _answer_ping(self, payload: bytes) -> None:
        if self.blocked:
            self.pong_due = payload  # only the last is kept: RFC 6455 allows it, and pings cannot fill memory
        elif self.ws is not None:
            self.ws.send_pong(payload)

    def _peer_closes(self, payload: bytes) -> None:
        self.peer_code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else NO_CODE
        self.outbox.clear()
        if self.ending is None and self.ws is not None:
            self.ws.send_close(*((1000,) if self.peer_code == NO_CODE else (self.peer_code,)))  # type: ignore[arg-type]
        self.transport.close()

    def _how_it_ended(self, transport: WSTransport) -> tuple[int, str, bool]:
        if self.ending is not None:
            return self.ending, "server", self.peer_code is not None
        if self.peer_code is not None:
            return self.peer_code, "peer", True
        sent = transport.close_handshake.sent if transport.close_handshake else None
        if sent is not None:  # picows closed it: a frame that no server may accept
            return int(sent.code), "server", False  # type: ignore[call-overload]  # an IntEnum, says the code
        return LOST, "network", False
