"""From an accepted socket to a WebSocket connection or an HTTP answer."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable
from typing import Any, Protocol

from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # there, but not in its stub

from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.origins import origin_allowed
from plumbline.streaming.server import log
from plumbline.streaming.server.connection import Connection
from plumbline.streaming.server.connection import Owner as ConnectionOwner

READ_BUFFER_BYTES = 2048  # picows' least; it grows with what comes, and is half of an idle connection's memory
PATHS = (b"/", b"/ws")


class Owner(ConnectionOwner, Protocol):
    """What the door needs of the gateway."""

    counters: Counters
    draining: bool
    connections: dict[int, Connection]

    def refused_by_parser(self, connection: Connection) -> None:
        """Picows closes this client for a frame that no server may accept."""

    def page(self, path: bytes) -> tuple[int, str, bytes] | None:
        """Return status, content type and body of a plain HTTP page, or None."""


class Arrival:
    """One accepted socket until its handshake is over; also the logger picows asks for (else it makes one each)."""

    __slots__ = ("answered", "connection", "door", "number", "peer", "since", "transport")

    def __init__(self, door: Door, number: int, peer: str, since: float) -> None:
        self.door = door
        self.number = number
        self.peer = peer
        self.since = since
        self.transport: Any = None
        self.connection: Connection | None = None
        self.answered = False

    def isEnabledFor(self, level: int) -> bool:  # noqa: ARG002, N802 - the logger's interface
        """Say no: picows' own messages carry no connection we know."""
        return False

    def _ignore(self, *args: object, **named: object) -> None:
        pass

    info = debug = log = warning = _ignore

    def error(self, *args: object, **named: object) -> None:  # noqa: ARG002 - the logger's interface
        """Note that picows closes the connection for what the client sent."""
        if self.connection is not None:
            self.door.owner.refused_by_parser(self.connection)

    def exception(self, text: str, *args: object, **named: object) -> None:  # noqa: ARG002 - the logger's interface
        """Log an error of ours with its traceback; picows closes the connection with 1011."""
        logging.getLogger(log.NAME).error("internal error: %s", text, exc_info=True)  # noqa: LOG014 - called in a handler
        self.error()


class Door:
    """Lets clients in, or says why not.

    Args:
        owner: The gateway.
    """

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.waiting: dict[int, Arrival] = {}  # by number: handshake not complete, longest first
        self._loop = asyncio.get_running_loop()
        self._greetings: set[asyncio.Task[None]] = set()

    def take(self, accepted: socket.socket, peer: object) -> None:
        """Begin the handshake of a socket that was just accepted."""
        counters = self.owner.counters
        counters.accepted += 1
        name = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "?"
        arrival = Arrival(self, counters.accepted, name, self.owner.now())
        self.waiting[arrival.number] = arrival
        task = self._loop.create_task(self._greet(accepted, arrival))
        self._greetings.add(task)
        task.add_done_callback(self._greetings.discard)

    def check(self, now: float) -> None:
        """Drop those who did not complete a request in time, or do not take its answer."""
        limit = self.owner.settings.handshake_timeout_s
        late = []
        for arrival in self.waiting.values():
            if now - arrival.since < limit:
                break
            late.append(arrival)
        for arrival in late:
            del self.waiting[arrival.number]
            if arrival.transport is None:
                continue
            if not arrival.answered and not arrival.transport.is_closing():
                self.owner.counters.handshake_timeouts += 1
                log.event(logging.INFO, "handshake timeout", connection=f"c{arrival.number}/{arrival.peer}")
            arrival.transport.abort()

    def opened(self, connection: Connection) -> None:
        """Note that this connection's handshake is complete."""
        self.waiting.pop(connection.number, None)

    def close(self) -> None:
        """Drop everybody whose handshake is not complete."""
        for arrival in self.waiting.values():
            if arrival.transport is not None:
                arrival.transport.abort()
        self.waiting.clear()

    async def _greet(self, accepted: socket.socket, arrival: Arrival) -> None:
        try:
            transport, _ = await self._loop.connect_accepted_socket(self._protocol(arrival), accepted)
        except OSError:  # reset meanwhile
            accepted.close()
            self.waiting.pop(arrival.number, None)
        else:
            arrival.transport = transport

    def _protocol(self, arrival: Arrival) -> Callable[[], asyncio.BaseProtocol]:
        """Return the factory of picows' protocol; its `ws_create_server` would own the listening socket."""
        limit = self.owner.settings.max_message_bytes

        def make() -> Any:
            return WSProtocol(
                host_port=None,
                ws_path=None,
                is_client_side=False,
                ws_listener_factory=lambda request: self._answer(arrival, request),
                logger=arrival,
                disconnect_on_exception=True,
                websocket_handshake_timeout=None,
                enable_auto_ping=False,
                auto_ping_idle_timeout=0,
                auto_ping_reply_timeout=0,
                auto_ping_strategy=1,
                enable_auto_pong=False,
                max_frame_size=limit,
                extra_headers=None,
                read_buffer_init_size=READ_BUFFER_BYTES,
            )

        return make

    def _answer(self, arrival: Arrival, request: WSUpgradeRequest) -> Connection | WSUpgradeResponseWithListener:
        path = request.path.partition(b"?")[0]
        page = self.owner.page(path)
        if page is not None:
            return _plain(arrival, *page)
        if path not in PATHS:
            return _plain(arrival, 404, "text/plain", b"nothing here; the gateway is at / or /ws\n")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            sentence = b"this is a WebSocket gateway; connect with ws://, or read /healthz and /metrics\n"
            return _plain(arrival, 426, "text/plain", sentence, Upgrade="websocket")
        refusal = self._refusal(request)
        if refusal is not None:
            return self._refuse(arrival, *refusal)
        arrival.answered = True
        arrival.connection = Connection(self.owner, arrival.number, arrival.peer)
        return arrival.connection

    def _refusal(self, request: WSUpgradeRequest) -> tuple[str, int, str] | None:
        """Return reason, status and sentence if this client is not let in."""
        owner = self.owner
        if owner.draining:
            return "draining", 503, "the gateway is stopping; try again\n"
        if len(owner.connections) >= owner.settings.max_connections:
            return "max-connections", 503, f"all {owner.settings.max_connections} connections are in use; try later\n"
        headers = request.headers
        if not origin_allowed(headers.get("Origin"), headers.get("Host"), owner.settings.allowed_origins):
            return "origin", 403, "pages of this origin may not connect (allowed_origins)\n"
        return None

    def _refuse(self, arrival: Arrival, reason: str, status: int, sentence: str) -> WSUpgradeResponseWithListener:
        self.owner.counters.rejected[reason] += 1
        log.event(logging.WARNING, "connection rejected", reason=reason, peer=arrival.peer)
        more = {"Retry_After": str(random.randint(1, 5))} if status == 503 else {}  # noqa: S311 - spreads retries
        return _plain(arrival, status, "text/plain", sentence.encode(), **more)


def _plain(arrival: Arrival, status: int, kind: str, body: bytes, **headers: str) -> WSUpgradeResponseWithListener:
    arrival.answered = True
    named = {"Content-Type": kind, "Cache-Control": "no-store"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    if status < 400:
        response = WSUpgradeResponse.create_ok_response(body, named)
    else:
        response = WSUpgradeResponse.create_error_response(status, body, named)
    return WSUpgradeResponseWithListener(response, None)
