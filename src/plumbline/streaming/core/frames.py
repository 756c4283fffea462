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


def control_frame(opcode: int, payload: bytes) -> bytes:
    """Return a ping, pong or close frame; `payload` has at most 125 bytes."""
    return bytes((_FINAL | opcode, len(payload))) + payload


def close_frame(code: int, sentence: str) -> bytes:
    """Return a close frame; the sentence is cut at 123 bytes, between characters (RFC 6455, 5.5)."""
    reason = sentence.encode()[:123].decode(errors="ignore").encode()
    return control_frame(CLOSE, code.to_bytes(2, "big") + reason)
