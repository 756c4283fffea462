"""WebSocket frames as the server sends them: never masked, so one frame serves all its readers (RFC 6455, 5.2)."""

from __future__ import annotations

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
_FINAL = 0x80

PING_FRAME = bytes((_FINAL | PING, 0))
"""An empty ping; all connections share it."""


def text_frame(payload: bytes) -> bytes:
    """Return the one frame that carries this UTF-8 text."""
    size = len(payload)
    if size < 126:
        return bytes((_FINAL | TEXT, size)) + payload
    if size < 1 << 16:
        return bytes((_FINAL | TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FINAL | TEXT, 127)) + size.to_bytes(8, "big") + payload
