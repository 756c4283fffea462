"""Put a client's frames together to messages, and refuse what RFC 6455 forbids."""

from __future__ import annotations

from plumbline.streaming.core.closes import INVALID_UTF8, PROTOCOL_ERROR, TOO_BIG, UNSUPPORTED, CloseError
from plumbline.streaming.core.frames import BINARY, CONTINUATION, TEXT


class Assembler:
    """Collects the fragments of one connection's current message."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] | None = None
        self._size = 0

    def feed(self, opcode: int, payload: bytes, *, final: bool, reserved: bool, limit: int) -> str | None:
        """Take one data frame and return the message it completes, if it does.

        Args:
            opcode: `TEXT`, `BINARY` or `CONTINUATION`; control frames never come here.
            payload: Unmasked.
            final: The FIN bit.
            reserved: Any of the RSV bits; no extension is ever negotiated, so none may be set.
            limit: Largest message in bytes.

        Raises:
            CloseError: 1002, 1003, 1007 or 1009.
        """
        if reserved:
            raise CloseError(PROTOCOL_ERROR, "a reserved bit is set, but no extension was negotiated")
        if opcode == BINARY:
            raise CloseError(UNSUPPORTED, "messages are JSON text; this one is binary")
        if opcode == TEXT and self._parts is not None:
            raise CloseError(PROTOCOL_ERROR, "a new message began before the last one was complete")
        if opcode == CONTINUATION and self._parts is None:
            raise CloseError(PROTOCOL_ERROR, "a continuation came without a message to continue")
        self._size += len(payload)
        if self._size > limit:
            raise CloseError(TOO_BIG, f"the message has more than {limit} bytes", self._size)
        return self._complete(payload, final=final)

    def _complete(self, payload: bytes, *, final: bool) -> str | None:
        if not final:
            if self._parts is None:
                self._parts = []
            if payload:  # an endless row of empty fragments must not grow a list
                self._parts.append(payload)
            return None
        whole = payload if self._parts is None else b"".join([*self._parts, payload])
        self._parts, self._size = None, 0
        try:
            return whole.decode()
        except UnicodeDecodeError:
            raise CloseError(INVALID_UTF8, "the text is not UTF-8") from None
