"""One plain HTTP request on a connection of its own, as a monitoring probe or a script sends it."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit


class RequestError(Exception):
    """The server answered with an error, or with what is no HTTP."""


async def request(url: str) -> bytes:
    """Get a page and return its body.

    Raises:
        OSError: Refused, reset, unreachable, or the name does not resolve.
        RequestError: The status is 400 or above, or the answer is no HTTP.
    """
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(f"GET {path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise RequestError("the connection ended without an answer")
    if int(words[1]) >= 400:  # RFC 9110, 15
        raise RequestError(f"{b' '.join(words[1:]).decode(errors='replace')}: {body[:200].decode(errors='replace')}")
    return body
