"""Server-sent events: what a client asks for, where it stands, and the bytes it gets (WHATWG HTML, 9.2). No I/O.

The id of each event says where the client stands in all its channels. A browser sends the last one back when it
connects again, to whichever node: no node has to remember it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, quote

from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.closes import CODES, label
from plumbline.streaming.core.jsontext import to_json
from plumbline.streaming.core.parsing import check_channel
from plumbline.streaming.core.request import RefusedError, Request

HEARTBEAT = b":\n\n"
MOST_POSITIONS = 1000  # more do not fit into a request's head
NEVER_RETRY_S = 86400.0  # an EventSource cannot be told to stop, only to wait
_TERMINAL = 4500  # private codes from here on: do not come back
_PUBLIC_TERMINAL = {1002, 1003, 1007, 1009}


def subscriptions(path: str, request: Request) -> list[str]:
    """Return the requests, as JSON text, with which a WebSocket client would say the same.

    Args:
        path: What stands behind `/sse/`: channels, comma-separated, decoded.
        request: `channel=` names one more each; `mode=latest`; `trace=1`; the position is that of the header
            `Last-Event-ID`, or of `last-event-id=` in the query, for the first connection of a page that knows one.

    Raises:
        RefusedError: No channel is named, or one has no such name, or the position is none.
    """
    names = [name for name in path.split(",") if name] + request.asked("channel")
    if not names:
        raise RefusedError(400, "which channel? GET /sse?channel=NAME, as often as there are channels")
    known = known_positions(request)
    mode = request.asked("mode")[-1:]
    texts = []
    for number, name in enumerate(dict.fromkeys(names)):
        try:
            check_channel(name)
        except ValueError as error:
            raise RefusedError(400, str(error)) from None
        asked: dict[str, object] = {"id": number, "subscribe": name}
        if name in known:
            asked["since"] = {"epoch": known[name].epoch, "offset": known[name].offset}
        if mode:
            asked["mode"] = mode[0]
        if request.asked("trace") == ["1"]:
            asked["trace"] = True
        texts.append(to_json(asked).decode())
    return texts


def known_positions(request: Request) -> dict[str, Position]:
    """Return the positions that a client comes with.

    Raises:
        RefusedError: They are none.
    """
    return read_positions(request.headers.get("last-event-id") or "".join(request.asked("last-event-id")[-1:]))


def read_positions(text: str) -> dict[str, Position]:
    """Return the positions that an id stands for.

    Raises:
        RefusedError: It is none of ours.
    """
    try:
        pairs = parse_qsl(text, strict_parsing=True, max_num_fields=MOST_POSITIONS) if text else []
        places = {name: place.rpartition(":") for name, place in pairs}
        return {name: Position(epoch, int(offset)) for name, (epoch, _, offset) in places.items()}
    except ValueError:
        raise RefusedError(400, "Last-Event-ID is no position; leave it out to begin with what comes now") from None


def write_positions(positions: Mapping[str, Position]) -> bytes:
    """Return the id that stands for these positions."""
    return b"&".join(
        f"{quote(name, safe='')}={quote(place.epoch, safe='')}:{place.offset}".encode()
        for name, place in positions.items()
    )


def first_position(text: bytes, known: Mapping[str, Position]) -> tuple[str, Position] | None:
    """Return where a channel's subscription begins, if this is the answer to one.

    When missed messages follow, the client stands where it stood until each of them has come.

    Args:
        text: An answer of the gateway.
        known: Positions that the client came with.
    """
    told = json.loads(text)
    name = told.get("channel")
    if told.get("ok") is not True or "epoch" not in told or not isinstance(name, str):
        return None
    if told.get("recovered") and name in known:
        return name, known[name]
    return name, Position(told["epoch"], told["offset"])


def opening(headers: Mapping[str, str], retry_s: float) -> bytes:
    """Return the head of the answer, and when to come back if the connection breaks."""
    lines = [
        "HTTP/1.1 200 OK",
        "Content-Type: text/event-stream",
        "Cache-Control: no-cache, no-transform",
        "X-Accel-Buffering: no",  # nginx would hold events back
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + retry(retry_s)


def retry(after_s: float) -> bytes:
    """Return the advice to wait so long before connecting again."""
    return b"retry: %d\n\n" % max(1, round(after_s * 1000))


def closing(code: int, sentence: str, retry_s: float) -> bytes:
    """Return the last event: the close code and reason that a WebSocket client would get.

    An `EventSource` comes back by itself; one that must not is told to wait for a day.
    """
    again = not (code in _PUBLIC_TERMINAL or code >= _TERMINAL)
    told = {"code": code, "reason": label(code), "message": sentence, "again": again}
    if code in CODES:
        told["come_back"] = CODES[code].come_back
    return b"%bevent: close\ndata: %b\n\n" % (retry(retry_s if again else NEVER_RETRY_S), to_json(told))


def stream(text: str) -> Iterator[tuple[str, str, str]]:
    """Read events as a browser does: kind, data, last id. For tests and tools.

    Args:
        text: The body, from its beginning.
    """
    kind, last = "message", ""
    data: list[str] = []
    for line in text.splitlines():
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield kind, "\n".join(data), last
            kind, data = "message", []
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id":
            last = value
