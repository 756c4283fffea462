"""Read a client's WebSocket frames out of the bytes that arrive (RFC 6455, 5.2), however they are cut. No I/O.

A connection that holds no half frame holds nothing here: an idle client costs no buffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from plumbline.streaming.core.closes import INVALID_UTF8, NO_CODE, PROTOCOL_ERROR, TOO_BIG, CloseError
from plumbline.streaming.core.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

_KNOWN = {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}
_WHOLE_TEXT = 0x80 | TEXT
_CONTROL = 0x8  # this bit of the opcode makes a control frame
_CONTROL_BYTES = 125
_RESERVED = 0x70
_RESERVED_CODES = {1004, 1005, 1006, 1015}  # 7.4.1: may not stand in a close frame


class Frame(NamedTuple):
    """One frame, unmasked.

    Args:
        opcode: One of `core.frames`.
        payload: Unmasked.
        final: The FIN bit.
    """

    opcode: int
    payload: bytes
    final: bool


class FrameReader:
    """Puts the frames of one connection together."""

    __slots__ = ("_need", "_rest")

    def __init__(self) -> None:
        self._rest: bytearray | None = None  # the beginning of a frame
        self._need = 0  # bytes that it must have before it is worth another look

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that has not arrived whole."""
        return len(self._rest) if self._rest is not None else 0

    def feed(self, data: bytes, limit: int) -> Iterator[Frame]:
        """Take bytes and yield the frames that they complete.

        Args:
            data: What arrived, in any pieces.
            limit: Largest payload of a data frame in bytes; a larger one is refused by its header, before it is held.

        Raises:
            CloseError: 1002 or 1009; nothing may be fed after it.
        """
        whole: bytes | bytearray = data
        if self._rest is not None:
            self._rest += data
            if len(self._rest) < self._need:
                return
            whole, self._rest = self._rest, None
        at = 0
        while at < len(whole):
            start, size = _head(whole, at, limit)
            end = start + size
            if not start or end > len(whole):
                self._rest, self._need = bytearray(whole[at:]), end - at
                return
            first = whole[at]
            payload = _unmasked(bytes(whole[start:end]), bytes(whole[start - 4 : start]))
            at = end
            yield Frame(first & 0x0F, payload, first >= 0x80)


def close_code(payload: bytes) -> int:
    """Return the code of a client's close frame, 1005 if it has none.

    Raises:
        CloseError: 1002 or 1007: the payload may not be (RFC 6455, 5.5.1 and 7.4).
    """
    if not payload:
        return NO_CODE
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not 1000 <= code < 5000 or code in _RESERVED_CODES or 1015 < code < 3000:
        raise CloseError(PROTOCOL_ERROR, "the close frame has a code that may not be sent")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise CloseError(INVALID_UTF8, "the reason in the close frame is not UTF-8") from None
    return code


def _head(data: bytes | bytearray, at: int, limit: int) -> tuple[int, int]:
    """Return where the payload begins and its length; (0, bytes needed from `at` on) if the header is not whole."""
    there = len(data) - at
    # Nearly every frame is a whole text, masked and not large: read at half the price of any frame.
    if there >= 8 and data[at] == _WHOLE_TEXT:
        size = data[at + 1] - 0x80
        if 0 <= size < 126 and size <= limit:
            return at + 6, size
        if size == 126 and 126 <= (wide_size := data[at + 2] << 8 | data[at + 3]) <= limit:
            return at + 8, wide_size
    return _any_head(data, at, limit, there)


def _any_head(data: bytes | bytearray, at: int, limit: int, there: int) -> tuple[int, int]:
    """Do the same for any frame, and say what is wrong with it."""
    if there < 2:
        return 0, at + 2
    _check_opcode(data[at])
    if data[at + 1] < 0x80:
        raise CloseError(PROTOCOL_ERROR, "a client's frames must be masked")
    size = data[at + 1] & 0x7F
    if data[at] & _CONTROL and size > _CONTROL_BYTES:
        raise CloseError(PROTOCOL_ERROR, f"a control frame may carry {_CONTROL_BYTES} bytes")
    wide = {126: 2, 127: 8}.get(size, 0)
    if there < 2 + wide:
        return 0, at + 2 + wide
    if wide:
        size = _wide_size(data[at + 2 : at + 2 + wide], shortest=126 if wide == 2 else 1 << 16)
    if size > limit and not data[at] & _CONTROL:
        raise CloseError(TOO_BIG, f"the message has more than {limit} bytes", size)
    if there < 6 + wide:
        return 0, at + 6 + wide
    return at + 6 + wide, size


def _check_opcode(first: int) -> None:
    opcode = first & 0x0F
    if first & _RESERVED:
        raise CloseError(PROTOCOL_ERROR, "a reserved bit is set, but no extension was negotiated")
    if opcode not in _KNOWN:
        raise CloseError(PROTOCOL_ERROR, f"opcode {opcode:#x} is none")
    if opcode & _CONTROL and first < 0x80:
        raise CloseError(PROTOCOL_ERROR, "a control frame may not be fragmented")


def _wide_size(field: bytes | bytearray, shortest: int) -> int:
    size = int.from_bytes(field, "big")
    if size < shortest or size >> 63:
        raise CloseError(PROTOCOL_ERROR, "the length of a frame is not written in its shortest form")
    return size


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """Undo the masking (RFC 6455, 5.3): one exclusive or over the whole payload as a number."""
    size = len(payload)
    if mask == b"\0\0\0\0" or not size:
        return payload
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
