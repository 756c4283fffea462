"""WebSocket frames as a client sends them, and the opening handshake (RFC 6455, 4.1 and 5.2).

The mask and the key are constants: they protect proxies from scripts in web pages, which is not what runs here, and the
server's work for them is the same.
"""

from __future__ import annotations

import base64
import hashlib

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL, _MASKED = 0x80, 0x80
_MASK = bytes(4)
_KEY = b"cGx1bWJsaW5lIGxvYWQgMQ=="
_ACCEPT = base64.b64encode(hashlib.sha1(_KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324 - RFC 6455


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        return bytes((_FINAL | opcode, _MASKED | size)) + _MASK + payload
    if size < 1 << 16:
        return bytes((_FINAL | opcode, _MASKED | 126)) + size.to_bytes(2, "big") + _MASK + payload
    return bytes((_FINAL | opcode, _MASKED | 127)) + size.to_bytes(8, "big") + _MASK + payload


def opening(host: str, path: str, subprotocol: str | None, token: str | None) -> bytes:
    """Return the request that opens a WebSocket.

    Args:
        host: `Host` header: name and port.
        path: Path and query.
        subprotocol: What to speak, if the server must be told.
        token: Bearer token, if the server wants one.
    """
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_KEY.decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def refusal(head: bytes) -> str | None:
    """Return why this answer opens no WebSocket, as a short word (`http-503`); None if it does."""
    status = head.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or not status[0].startswith(b"HTTP/1."):
        return "no-http"
    if status[1] != b"101":
        return f"http-{status[1].decode('ascii', 'replace')}"
    return None if _ACCEPT in head else "wrong-accept"
