"""Reads a request's body, bounded in size and time. What is too large is read to its end and forgotten at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from plumbline.deployment.core.errors import DeploymentError

Receive = Callable[[], Awaitable[Any]]
DISCARDED = 256 << 20  # bytes of a body that is refused: a client that still writes would not read the answer


class TooLargeError(DeploymentError):
    """A body beyond the limit."""

    reason = "too_large"
    status = 413


class SlowError(DeploymentError):
    """A body that does not arrive in time."""

    reason = "slow_body"
    status = 408


class GoneError(Exception):
    """The client hung up; nobody reads an answer."""


async def body_of(receive: Receive, limit: int, within_s: float) -> bytes:
    """Return the body.

    Args:
        receive: ASGI's.
        limit: Bytes that it may have.
        within_s: Seconds it may take after its first part.

    Raises:
        TooLargeError: It is larger.
        SlowError: It takes longer.
        GoneError: The client hung up.
    """
    first = await _part(receive, within_s)
    if not first["more_body"]:
        body: bytes = first["body"]
        if len(body) > limit:
            raise _too_large(limit)
        return body
    try:
        async with asyncio.timeout(within_s):
            return await _rest(receive, first["body"], limit)
    except TimeoutError:
        raise SlowError(f"the body did not arrive within {within_s:g} s", within_s=within_s) from None


async def _part(receive: Receive, within_s: float) -> dict[str, Any]:
    part = await receive()
    if part["type"] == "http.disconnect":
        raise GoneError
    if not part.get("body") and part.get("more_body"):
        try:
            part = await asyncio.wait_for(receive(), within_s)
        except TimeoutError:
            raise SlowError(f"the body did not arrive within {within_s:g} s", within_s=within_s) from None
        if part["type"] == "http.disconnect":
            raise GoneError
    return {"body": part.get("body", b""), "more_body": part.get("more_body", False)}


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
