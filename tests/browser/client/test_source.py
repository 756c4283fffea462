"""The browser's client in a real Chromium, against a real gateway, and one of the test's where it must misbehave."""

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
from plumbline.streaming.client.verdict import of_close
from plumbline.streaming.core.closes import CODES

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


def test_messages_arrive_and_go_on_after_a_cut_each_once(page: Page, origin: str, gateway: Callable[..., Real]) -> None:
    real = gateway()
    start(page, origin, real.url, channels=["scores"])
    page.wait_for_function("source.position('scores')")
    real.publish("scores", {"n": 1})
    seen(page, "message", 1)
    real.drop_all()
    for n in (2, 3):
        real.publish("scores", {"n": n})
    messages = seen(page, "message", 3)
    assert [message["data"]["n"] for message in messages] == [1, 2, 3]
    assert [message["offset"] for message in messages] == [1, 2, 3]
    assert messages[2]["lastEventId"] == f"{messages[2]['epoch']}:3"
    assert page.evaluate("source.counts") == {"messages": 3, "duplicates": 0, "holes": 0, "gaps": 0, "connected": 2}
    assert page.evaluate("seen.filter((e) => e.type === 'error').length") == 1


def test_a_gateway_that_forgot_everything_is_told_as_a_gap(
    page: Page, origin: str, gateway: Callable[..., Real]
) -> None:
    first = gateway()
    start(page, origin, first.url, channels=["c"])
    page.wait_for_function("source.position('c')")
    first.publish("c", 1)
    seen(page, "message", 1)
    port = first.port
    first.stop()
    second = gateway(port)
    gap = seen(page, "gap", 1)[0]
    assert gap["since"]["offset"] == 1
    assert gap["until"]["epoch"] != gap["since"]["epoch"]
    second.publish("c", "after")
    assert seen(page, "message", 2)[1]["data"] == "after"


def test_a_source_that_is_closed_stays_closed(page: Page, origin: str, gateway: Callable[..., Real]) -> None:
    real = gateway()
    start(page, origin, real.url, channels=["c"])
    seen(page, "open", 1)
    page.evaluate("source.close()")
    page.wait_for_function("source.readyState === 2")
    assert page.evaluate("seen.filter((e) => e.type === 'error').length") == 0


def test_the_pure_rules_are_those_of_the_python_client(page: Page, origin: str) -> None:
    page.goto(origin)
    codes = [*CODES, 4000, 4499, 4500, 4999, 1013]
    judged = page.evaluate(
        """async (codes) => {
          const rules = await import("/plumbline-comeback.js");
          return codes.map((code) => [rules.verdict(code), rules.atLeast(code) / 1000]);
        }""",
        codes,
    )
    for code, (meaning, wait_s) in zip(codes, judged, strict=True):
        ours = of_close(code, "")
        assert meaning == ("token" if ours.fresh_token else "again" if ours.again else "never"), code
        assert wait_s == ours.at_least_s, code


def test_no_delay_is_below_the_floor_or_above_the_cap(page: Page, origin: str) -> None:
    page.goto(origin)
    delays = page.evaluate(
        """async () => {
          const { delay } = await import("/plumbline-comeback.js");
          const failures = [...Array(100).keys()];
          return [0, 0.5, 0.999999].flatMap((chance) => failures.map((n) => [n, chance, delay(n, () => chance)]));
        }"""
    )
    assert all(100 <= wait <= min(30_000, 500 * 2**n) for n, _, wait in delays)
    assert {wait for _, chance, wait in delays if chance == 0} == {100}


def test_a_close_for_good_is_not_repeated(page: Page, origin: str, script: Callable[..., Script]) -> None:
    bad = script(lambda _, link, __: link.close(4501, "wrong key"))
    start(page, origin, bad.url, channels=["c"], token="abc.def")
    error = seen(page, "error", 1)[0]
    assert "wrong key" in error["sentence"]
    assert page.evaluate("source.readyState") == 2
    assert bad.opened == 1
    assert "bearer.abc.def" in bad.protocols[0]


def test_a_missing_message_is_fetched_and_a_double_is_dropped(
    page: Page, origin: str, script: Callable[..., Script]
) -> None:
    def act(self: Script, link: ServerConnection, command: dict[str, Any]) -> None:
        if "unsubscribe" in command:
            ok(link, command)
        elif "since" in command:
            ok(link, command, offset=3, recovered=True, messages=2)
            for offset in (2, 3, 3):
                tell(link, channel="c", offset=offset, data=offset)
        else:
            ok(link, command)
            for offset in (1, 3):
                tell(link, channel="c", offset=offset, data=offset)

    patchy = script(act)
    start(page, origin, patchy.url, channels=["c"])
    assert [message["offset"] for message in seen(page, "message", 3)] == [1, 2, 3]
    page.wait_for_function("source.counts.duplicates === 1")
    assert page.evaluate("source.counts.holes") == 1
    assert patchy.heard[-1]["since"] == {"epoch": "e", "offset": 1}


def test_a_notice_is_followed_by_a_new_connection_that_goes_on(
    page: Page, origin: str, script: Callable[..., Script]
) -> None:
    def act(self: Script, link: ServerConnection, command: dict[str, Any]) -> None:
        ok(link, command, **({"recovered": True} if "since" in command else {}))
        if self.opened == 1:
            tell(link, reconnect={"after_s": 0.1, "within_s": 30, "because": "drain"})

    draining = script(act)
    start(page, origin, draining.url, channels=["c"])
    seen(page, "open", 2)
    assert page.evaluate("seen.some((e) => e.type === 'error' || e.type === 'gap')") is False
    page.wait_for_function("source.readyState === 1")


def test_a_channel_that_is_refused_is_told_and_the_others_go_on(
    page: Page, origin: str, script: Callable[..., Script]
) -> None:
    tries: list[int] = []

    def act(self: Script, link: ServerConnection, command: dict[str, Any]) -> None:
        if command["subscribe"] == "secret":
            tell(link, id=command["id"], error={"code": "not-allowed", "message": "no"})
        elif not tries:
            tries.append(1)
            tell(link, id=command["id"], error={"code": "unavailable", "message": "later", "retry_after_s": 0.01})
        else:
            ok(link, command)
            tell(link, channel="c", offset=1, data="here")
            tell(link, channel="c", ended={"code": "insufficient-state", "message": "m", "again": len(tries) < 2})
            tries.append(1)

    strict = script(act)
    start(page, origin, strict.url, channels=["secret", "c"])
    refused = seen(page, "refused", 2)
    assert refused[0]["code"] == "not-allowed"
    assert seen(page, "message", 1)[0]["data"] == "here"


def test_nonsense_ends_the_connection_and_the_next_one_serves(
    page: Page, origin: str, script: Callable[..., Script]
) -> None:
    def act(self: Script, link: ServerConnection, command: dict[str, Any]) -> None:
        if self.opened == 1:
            link.send("no json")
        else:
            ok(link, command)

    start(page, origin, script(act).url, channels=["c"])
    assert "no JSON" in seen(page, "error", 1)[0]["sentence"]
    page.wait_for_function("source.position('c')")
