"""Messages between the run and its generator processes: length, then MessagePack."""

from __future__ import annotations

from typing import Any

import msgspec

_HEAD = 4


def pack(letter: dict[str, Any]) -> bytes:
    """Return a letter as bytes."""
    body = msgspec.msgpack.encode(letter)
    return len(body).to_bytes(_HEAD, "big") + body


class Letters:
    """Takes bytes as they come and gives whole letters."""

    def __init__(self) -> None:
        self._got = bytearray()

    def feed(self, piece: bytes) -> list[dict[str, Any]]:
        """Return the letters that are whole now."""
        self._got += piece
        letters = []
        while len(self._got) >= _HEAD:
            end = _HEAD + int.from_bytes(self._got[:_HEAD], "big")
            if len(self._got) < end:
                break
            letters.append(msgspec.msgpack.decode(bytes(self._got[_HEAD:end])))
            del self._got[:end]
        return letters
