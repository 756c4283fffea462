"""An HTTP request as a value, and whether it asks for a WebSocket as RFC 6455 wants it. No I/O."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class RefusedError(Exception):
    """A request is answered with an error, and nothing more.

    Args:
        status: HTTP status.
        sentence: For people.
        reason: Label of the metric `rejected`; None if it is not counted there.
        headers: Of the answer.
    """

    def __init__(
        self, status: int, sentence: str, reason: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.sentence = sentence
        self.reason = reason
        self.headers = headers or {}
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Args:
        method: In capitals.
        path: Without the query, as sent.
        query: What stands behind `?`.
        headers: By lower-case name; several of one name are joined by commas.
        body: At most what the gateway reads.
        version: Of HTTP.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)
    version: str = "1.1"

    def asked(self, name: str) -> list[str]:
        """Return the values of one name in the query."""
        return parse_qs(self.query, keep_blank_values=True).get(name, [])

    @property
    def wants_websocket(self) -> bool:
        """True if it asks to upgrade to a WebSocket."""
        return "websocket" in _words(self.headers.get("upgrade", ""))


def accept_websocket(request: Request, subprotocol: str | None = None) -> bytes:
    """Return the answer that opens a WebSocket.

    Args:
        request: The opening handshake.
        subprotocol: The one that was chosen of those offered.

    Raises:
        RefusedError: It is not as RFC 6455, 4.2.1 wants it.
    """
    headers = request.headers
    if request.method != "GET" or request.version != "1.1":
        raise RefusedError(405, "a WebSocket is opened with GET and HTTP/1.1", headers={"Allow": "GET"})
    if "upgrade" not in _words(headers.get("connection", "")):
        raise RefusedError(400, "the header Connection must say Upgrade")
    if headers.get("sec-websocket-version") != "13":
        raise RefusedError(426, "version 13 of WebSocket is spoken here", headers={"Sec-WebSocket-Version": "13"})
    key = headers.get("sec-websocket-key", "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise RefusedError(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    proof = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n".encode() if subprotocol else b""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (proof, chosen)
    )


def answer(status: int, kind: str, body: bytes, headers: dict[str, str] | None = None, *, bare: bool = False) -> bytes:
    """Return a whole answer, after which the connection is closed; `bare` leaves the body out, as HEAD wants it."""
    lines = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),  # RFC 9110, 6.6.1
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if bare else body)


def _words(value: str) -> set[str]:
    return {word.strip().lower() for word in value.split(",")}
