"""What a request asks for: a WebSocket, events, one answer, or a page; and whether this client may have it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote

from plumbline.streaming.core import answers, sse
from plumbline.streaming.core.credentials import SUBPROTOCOL, subprotocols
from plumbline.streaming.core.identity import Identity
from plumbline.streaming.core.jsontext import to_json
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.origins import origin_allowed
from plumbline.streaming.core.request import RefusedError, Request, accept_websocket, answer
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import connection
from plumbline.streaming.server.canary import Canary
from plumbline.streaming.server.connection import Connection
from plumbline.streaming.server.door import Door
from plumbline.streaming.server.exchange import ROUTES, Exchange
from plumbline.streaming.server.farewells import Farewells
from plumbline.streaming.server.greeting import Greeting
from plumbline.streaming.server.sse import Events
from plumbline.streaming.server.writing import Writing

WEBSOCKET_PATHS = ("/", "/ws")
EVENTS_PATH = "/sse"
ANSWER_S = 30.0  # for which a plain request waits


class Owner(connection.Owner, Protocol):
    """What the reception needs of the gateway."""

    draining: bool
    letting_in: bool
    connections: dict[int, Writing]
    door: Door
    canary: Canary
    farewells: Farewells

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call this after that time."""

    def page(self, path: str) -> tuple[int, str, bytes] | None:
        """Return status, content type and body of a plain HTTP page, or None."""

    def identify(self, request: Request, number: int) -> Identity:
        """Return whom this client serves.

        Raises:
            RefusedError: Its token does not hold.
        """


def receive(owner: Owner, greeting: Greeting, request: Request, tail: bytes) -> None:
    """Answer a request.

    Raises:
        RefusedError: It is answered with an error.
    """
    path = unquote(request.path)
    page = owner.page(path)
    if page is not None:
        if request.method not in ("GET", "HEAD"):
            raise RefusedError(405, "this page is read with GET", headers={"Allow": "GET, HEAD"})
        owner.door.say(greeting, answer(*page, bare=request.method == "HEAD"))
    elif path == "/readyz":
        _ready(owner, greeting)
    elif path in WEBSOCKET_PATHS:
        _websocket(owner, greeting, request, tail)
    elif path == EVENTS_PATH or path.startswith(EVENTS_PATH + "/"):
        _events(owner, greeting, request, path)
    elif path in ROUTES:
        _exchange(owner, greeting, request, path)
    else:
        raise RefusedError(404, "nothing here; the gateway is at / or /ws, and at /sse for server-sent events")


def _ready(owner: Owner, greeting: Greeting) -> None:
    """Answer when a message has made its way through the gateway, or did not in time."""
    greeting.answered = True

    def told(failed: str | None) -> None:
        status = "ok" if failed is None else "failed"
        body = to_json({"status": status, "because": failed, "connections": len(owner.connections)}) + b"\n"
        owner.door.say(greeting, answer(200 if failed is None else 503, "application/json", body))

    owner.canary.ask(told)


def _websocket(owner: Owner, greeting: Greeting, request: Request, tail: bytes) -> None:
    if not request.wants_websocket:
        sentence = "this is a WebSocket gateway; connect with ws://, to /sse with an EventSource, or read /healthz"
        raise RefusedError(426, sentence, headers={"Upgrade": "websocket"})
    offered = subprotocols(request.headers.get("sec-websocket-protocol"))
    head = accept_websocket(request, SUBPROTOCOL if SUBPROTOCOL in offered else None)
    _admit(owner, greeting, request)
    identity = owner.identify(request, greeting.number)
    made = Connection(owner, greeting.link, greeting.number, greeting.host, greeting.port)
    made.identity = identity
    owner.door.enter(greeting, made, head)
    owner.opened(made)
    if SUBPROTOCOL in offered or request.asked("hello") == ["1"]:
        made.deliver(Message(_hello(owner.settings, identity.client)), owner.now())
    if tail:
        made.received(tail)


def _hello(settings: Settings, client: str) -> bytes:
    return answers.hello(
        client,
        settings.heartbeat_interval_s,
        max_message_bytes=settings.max_message_bytes,
        max_batch=settings.max_batch,
        max_subscriptions=settings.max_subscriptions,
    )


def _events(owner: Owner, greeting: Greeting, request: Request, path: str) -> None:
    if request.method != "GET":
        raise RefusedError(405, "events are read with GET", headers={"Allow": "GET"})
    asked = sse.subscriptions(path.removeprefix(EVENTS_PATH).strip("/"), request)
    _admit(owner, greeting, request)
    identity = owner.identify(request, greeting.number)
    made = Events(owner, greeting.link, greeting.number, greeting.host, greeting.port)
    made.identity = identity
    made.came_with = sse.known_positions(request)
    owner.door.enter(greeting, made, made.head(_cors(request)))
    owner.opened(made)
    for text in asked:
        owner.received(made, text)


def _exchange(owner: Owner, greeting: Greeting, request: Request, path: str) -> None:
    _check_origin(owner, request)
    if request.method == "OPTIONS":
        allow = {
            "Access-Control-Allow-Methods": ROUTES[path].method,
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": "600",
        }
        owner.door.say(greeting, answer(204, "text/plain", b"", _cors(request) | allow))
        return
    text = ROUTES[path].read(request)
    made = Exchange(owner, greeting.link, greeting.number, greeting.host, greeting.port)
    made.identity = owner.identify(request, greeting.number)
    made.headers = _cors(request)
    owner.door.enter(greeting, made, b"")
    owner.received(made, text)
    if made.live:  # the broker has not answered yet
        owner.later(ANSWER_S, lambda: made.close(0, "no answer came in time; whether it was carried out is not known"))


def _admit(owner: Owner, greeting: Greeting, request: Request) -> None:
    spread = random.random()  # noqa: S311 - spreads retries
    if not owner.letting_in:
        again = {"Retry-After": str(1 + int(4 * spread))}
        raise RefusedError(503, "the gateway is stopping; try again", "draining", again)
    if owner.farewells.elsewhere.active:
        again = {"Retry-After": str(2 + int(4 * spread))}
        raise RefusedError(503, "this region has lost its channels; try another region", "region-gone", again)
    _check_origin(owner, request)
    door = owner.door  # with TLS, its rate was asked before the handshake
    rate = door.tls is None
    door.admission.check(owner.settings, greeting.host, len(owner.connections), owner.now(), spread, rate=rate)


def _check_origin(owner: Owner, request: Request) -> None:
    allowed = owner.settings.allowed_origins
    if not origin_allowed(request.headers.get("origin"), request.headers.get("host"), allowed):
        raise RefusedError(403, "pages of this origin may not connect (allowed_origins)", "origin")


def _cors(request: Request) -> dict[str, str]:
    """Return what lets a page of an allowed origin read the answer."""
    origin = request.headers.get("origin")
    return {} if origin is None else {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
