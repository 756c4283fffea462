"""One client connection on the `websockets` library, and the gateway's JSON protocol as a client needs it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT of linux/in.h; Python has no name for it
FAILURES = (OSError, TimeoutError, websockets.WebSocketException)
"""What a client may see of a broken server."""
ABNORMAL = 1006
"""Close code of a connection that ended without a close frame (RFC 6455, 7.1.5)."""


@asynccontextmanager
async def opened(url: str, timeout_s: float, *, source: str | None = None) -> AsyncIterator[ClientConnection]:
    """Open a connection that sends no pings of its own, as a browser's does; `source` is the address it comes from.

    `http://` is taken for `ws://`: a victim of the lab may serve both.

    Raises:
        OSError: Refused, reset, unreachable.
        TimeoutError: Not upgraded in time.
        websockets.WebSocketException: The answer is no upgrade.
    """
    async with connect(
        f"ws{url.removeprefix('http')}" if url.startswith("http") else url,
        open_timeout=timeout_s,
        ping_interval=None,
        close_timeout=0.5,
        compression=None,
        max_size=1 << 22,
        proxy=None,
        sock=await _connected(url, timeout_s, source) if source is not None else None,
    ) as connection:
        yield connection


async def _connected(url: str, timeout_s: float, source: str) -> socket.socket:
    """Return a TCP connection from an address; its port is chosen when it connects, and so is nobody else's loss."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    sock = socket.socket()
    try:
        sock.setblocking(False)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, (parts.hostname, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def ask(connection: ClientConnection, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Send a request and wait for the answer with its id; messages in between are left out.

    Raises:
        TimeoutError: No answer in time.
        RefusedError: The server answered with an error.
    """
    async with asyncio.timeout(timeout_s):
        await connection.send(json.dumps(request))
        while True:
            answer: dict[str, Any] = json.loads(await connection.recv())
            if answer.get("id") == request["id"]:
                if "error" in answer:
                    raise RefusedError(str(answer["error"]))
                return answer


class RefusedError(websockets.WebSocketException):
    """The server understood the request and said no."""


def describe(error: BaseException) -> str:
    """Return the error as a user would paste it: its type, and the library's own words."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
