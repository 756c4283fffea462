"""Reads a request's body, bounded in size (its time the door bounds). What is too large is read, and not kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from plumbline.deployment.core.errors import DeploymentError

Receive = Callable[[], Awaitable[Any]]
DISCARDED = 256 << 20  # bytes of a body that is refused: a client that still writes would not read the answer


class TooLargeError(DeploymentError):
    """A body beyond the limit."""

    reason = "too_large"
    status = 413


class GoneError(Exception):
    """The client hung up; nobody reads an answer."""


async def body_of(receive: Receive, limit: int) -> bytes:
    """Return the body.

    Args:
        receive: ASGI's.
        limit: Bytes that it may have.

    Raises:
        TooLargeError: It is larger.
        GoneError: The client hung up, or was too slow for the door.
    """
    part = await receive()
    if part["type"] == "http.disconnect":
        raise GoneError
    body: bytes = part.get("body", b"")
    if part.get("more_body"):
        return await _rest(receive, body, limit)
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _rest(receive: Receive, first: bytes, limit: int) -> bytes:
    kept = bytearray(first)
    size = len(first)
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise GoneError
        piece = part.get("body", b"")
        size += len(piece)
        if size <= limit:
            kept += piece
        elif size > limit + DISCARDED:
            raise _too_large(limit)
        else:
            kept.clear()
        if not part.get("more_body"):
            if size > limit:
                raise _too_large(limit)
            return bytes(kept)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body has more than {limit} bytes: send fewer rows at once", limit=limit)
