"""A page with the browser's client, a real gateway for it, and one of the test's that misbehaves."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from websockets.sync.server import ServerConnection, serve

from plumbline.streaming import Gateway, Settings

SCRIPTS = Path(__file__).parents[3] / "docs/assets/js"
PATIENCE_S = 30
OPEN_SOURCE = """async ([url, settings]) => {
  const { PlumblineSource } = await import("/plumbline-client.js");
  window.seen = [];
  window.source = new PlumblineSource(url, settings);
  for (const type of ["open", "error", "message", "gap", "refused"])
    source.addEventListener(type, (event) => seen.push({ type, ...event, isTrusted: undefined }));
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>t</title>")
        else:
            super().do_GET()


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """An address that serves the scripts and an empty page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(SCRIPTS))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Real:
    """A real gateway in a thread of its own, on a port that the next one can take over."""

    def __init__(self, port: int = 0) -> None:
        self._ready = threading.Event()
        self._port = port
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    async def _main(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        settings = Settings(allowed_origins="*", close_timeout_s=0.5)
        async with Gateway(settings, listen=f"127.0.0.1:{self._port}") as self.gateway:
            self.url = self.gateway.url
            self._ready.set()
            await self._over.wait()

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def publish(self, channel: str, data: Any) -> None:
        asyncio.run_coroutine_threadsafe(self.gateway.publish(channel, data), self._loop).result(PATIENCE_S)

    def drop_all(self) -> None:
        """Cut every connection, without a goodbye."""

        async def cut() -> None:
            for connection in list(self.gateway._hub.connections.values()):
                connection.abort()

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result(PATIENCE_S)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(PATIENCE_S)


@pytest.fixture
def gateway() -> Iterator[Callable[..., Real]]:
    started: list[Real] = []

    def begin(port: int = 0) -> Real:
        started.append(Real(port))
        return started[-1]

    yield begin
    for one in started:
        one.stop()


class Script:
    """A gateway that greets and then does as the test says."""

    def __init__(self, act: Callable[[Script, ServerConnection, dict[str, Any]], None]) -> None:
        self.heard: list[dict[str, Any]] = []
        self.opened = 0
        self.protocols: list[str] = []
        self._act = act
        self._server = serve(self._serve, "127.0.0.1", 0, subprotocols=["plumbline.v2"])  # type: ignore[list-item]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/"

    def _serve(self, link: ServerConnection) -> None:
        self.opened += 1
        assert link.request
        self.protocols.append(link.request.headers["Sec-WebSocket-Protocol"])
        link.send(json.dumps({"hello": {"client": "s", "version": 2}}))
        for text in link:
            for command in json.loads(text):
                self.heard.append(command)
                self._act(self, link, command)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    started: list[Script] = []

    def begin(act: Callable[[Script, ServerConnection, dict[str, Any]], None]) -> Script:
        started.append(Script(act))
        return started[-1]

    yield begin
    for one in started:
        one.stop()


def tell(link: ServerConnection, **told: Any) -> None:
    link.send(json.dumps(told))


def ok(link: ServerConnection, command: dict[str, Any], **more: Any) -> None:
    tell(link, id=command["id"], ok=True, **({"epoch": "e", "offset": 0} | more))


def start(page: Page, origin: str, url: str, **settings: Any) -> None:
    page.goto(origin)
    page.evaluate(OPEN_SOURCE, [url, settings])


def seen(page: Page, kind: str, count: int) -> list[dict[str, Any]]:
    page.wait_for_function("([kind, count]) => seen.filter((e) => e.type === kind).length >= count", arg=[kind, count])
    return [event for event in page.evaluate("seen") if event["type"] == kind]
