"""A plain HTTP server on asyncio streams: enough for stand-ins, one request per connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_HEAD_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a value that is sent as JSON, and further headers."""

    status: int
    value: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Handle = Callable[[str, dict[str, str]], Awaitable[Answer]]
"""Called with path and query."""


class Config:
    """A JSON file that is read again when it changes.

    Args:
        path: The file.
        defaults: Values of keys that it lacks.
    """

    def __init__(self, path: Path, defaults: Mapping[str, Any]) -> None:
        self._path = path
        self._defaults = dict(defaults)
        self._stamp: tuple[int, int] | None = None
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        with contextlib.suppress(OSError, ValueError):  # half-written by an editor: the values before go on
            told = self._path.stat()
            if (stamp := (told.st_mtime_ns, told.st_ino)) != self._stamp:
                self._values = json.loads(self._path.read_text(encoding="utf-8"))
                self._stamp = stamp
        return self._values.get(key, self._defaults[key])


def log(text: str) -> None:
    """Write a line to stderr, with the time as logs have it."""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(f"{stamp} {text}", file=sys.stderr, flush=True)


async def listen(port: int, handle: Handle, *, date: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Serve on loopback, for ever.

    Args:
        port: Where.
        handle: Answers; what it raises is logged and answered with 500.
        date: What the Date header says.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(_HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            answer = await _answer(handle, words)
            writer.write(_text(answer, date()))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


async def _answer(handle: Handle, words: list[str]) -> Answer:
    if len(words) != 3 or words[0] not in ("GET", "POST", "PUT"):
        return Answer(400, {"error": "no such request"})
    target = urlsplit(words[1])
    try:
        return await handle(target.path, dict(parse_qsl(target.query)))
    except Exception as error:  # noqa: BLE001 - a server answers and goes on
        log(f"ERROR {words[0]} {target.path}: {type(error).__name__}: {error}")
        return Answer(500, {"error": f"{type(error).__name__}: {error}"})


def _text(answer: Answer, date: datetime) -> bytes:
    body = json.dumps(answer.value).encode()
    headers = {
        "Date": date.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **answer.headers,
    }
    lines = [f"HTTP/1.1 {answer.status} {'OK' if answer.status < 400 else 'Error'}"]
    return "\r\n".join([*lines, *(f"{key}: {value}" for key, value in headers.items()), "", ""]).encode() + body


def send(through: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    """Answer one request of a threaded server."""
    through.send_response(status)
    through.send_header("Content-Type", kind)
    through.send_header("Content-Length", str(len(body)))
    through.end_headers()
    through.wfile.write(body)


def arguments() -> tuple[int, Path]:
    """Return port and path of the configuration from the command line."""
    return int(sys.argv[1]), Path(sys.argv[2])
