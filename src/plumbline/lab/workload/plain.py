"""One HTTP request on a connection of its own, as a monitoring probe or a script sends it."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


class RequestError(Exception):
    """The server answered with an error, or with what is no HTTP."""


async def request(url: str, ask: Any = None) -> bytes:
    """Get a page and return its body; with something to ask, post it as JSON.

    Raises:
        OSError: Refused, reset, unreachable, or the name does not resolve.
        RequestError: The status is 400 or above, or the answer is no HTTP.
    """
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        verb, told, sent = ("GET", "", b"") if ask is None else _posted(ask)
        sending = f"{verb} {path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n{told}Connection: close\r\n\r\n"
        writer.write(sending.encode() + sent)
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


def _posted(ask: Any) -> tuple[str, str, bytes]:
    body = json.dumps(ask).encode()
    return "POST", f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n", body
