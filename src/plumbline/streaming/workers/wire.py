"""What workers and their supervisor say to each other, as values and as bytes. Pure.

A frame is four bytes of length, big endian, and a MessagePack array: first the kind, then the fields in order. Both
ends are of the same installation, so there is one version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

HEAD = 4
LARGEST = 256 << 20  # bytes of one frame: a whole history of a channel; more is no frame of ours


class WireError(Exception):
    """The bytes are none of ours; the connection must be closed."""


class Attach(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """Worker: send me this channel."""

    request: int
    channel: str


class Detach(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """Worker: no more of it."""

    channel: str


class Publish(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """Worker: store this as the channel's next message."""

    request: int
    channel: str
    data: bytes
    key: str | None
    trace: str | None = None


class AskPast(msgspec.Struct, array_like=True, tag=4, frozen=True):
    """Worker: send me what came after this position, or (`part`) the first of it; the newest if `epoch` is None."""

    request: int
    channel: str
    epoch: str | None
    offset: int
    limit: int
    part: bool


class AskHead(msgspec.Struct, array_like=True, tag=5, frozen=True):
    """Worker: where does the channel stand?"""

    request: int
    channel: str


class Join(msgspec.Struct, array_like=True, tag=6, frozen=True):
    """Worker: this client of mine is present."""

    channel: str
    client: str
    user: str | None
    since: float


class Leave(msgspec.Struct, array_like=True, tag=7, frozen=True):
    """Worker: it is not."""

    channel: str
    client: str


class AskMembers(msgspec.Struct, array_like=True, tag=8, frozen=True):
    """Worker: who is present?"""

    request: int
    channel: str


class Positioned(msgspec.Struct, array_like=True, tag=20, frozen=True):
    """Supervisor: done; the channel stands here."""

    request: int
    epoch: str
    offset: int


class History(msgspec.Struct, array_like=True, tag=21, frozen=True):
    """Supervisor: what came after the asked position."""

    request: int
    epoch: str
    offset: int
    recovered: bool
    entries: tuple[tuple[int, bytes, str | None], ...]


class Present(msgspec.Struct, array_like=True, tag=22, frozen=True):
    """Supervisor: who is present, as (client, user, since)."""

    request: int
    members: tuple[tuple[str, str | None, float], ...]


class Failed(msgspec.Struct, array_like=True, tag=23, frozen=True):
    """Supervisor: that was not done."""

    request: int
    code: str
    message: str


class Arrived(msgspec.Struct, array_like=True, tag=24, frozen=True):
    """Supervisor: the next message of a channel that is attached."""

    channel: str
    epoch: str
    offset: int
    data: bytes
    trace: str | None = None


class Interrupted(msgspec.Struct, array_like=True, tag=25, frozen=True):
    """Supervisor: continuity of this channel (None: of all) is lost until it is attached anew."""

    channel: str | None
    because: str


FromWorker = Attach | Detach | Publish | AskPast | AskHead | Join | Leave | AskMembers
FromSupervisor = Positioned | History | Present | Failed | Arrived | Interrupted
_encoder = msgspec.msgpack.Encoder()
from_worker = msgspec.msgpack.Decoder(FromWorker)
from_supervisor = msgspec.msgpack.Decoder(FromSupervisor)


def frame(value: FromWorker | FromSupervisor) -> bytes:
    """Return the bytes of one frame."""
    body = _encoder.encode(value)
    return len(body).to_bytes(HEAD, "big") + body


class Splitter:
    """Cuts a stream of bytes into frames, however it was divided on its way."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def bodies(self, data: bytes) -> Iterator[memoryview]:
        """Take bytes in, and return the bodies of the frames that are complete; each is valid until the next.

        Raises:
            WireError: A frame is longer than any of ours.
        """
        rest = self._rest
        rest += data
        at = 0
        view = memoryview(rest)
        try:
            while len(rest) - at >= HEAD:
                size = int.from_bytes(view[at : at + HEAD], "big")
                if size > LARGEST:
                    raise WireError(f"a frame of {size} bytes is none of ours")
                if len(rest) - at - HEAD < size:
                    break
                at += HEAD + size
                yield view[at - size : at]
        finally:
            view.release()
            del rest[:at]


def decode(decoder: msgspec.msgpack.Decoder[Any], body: memoryview) -> Any:
    """Return the value of one frame.

    Raises:
        WireError: It is none of ours.
    """
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as failed:
        raise WireError(f"a frame is none of ours: {failed}") from None
