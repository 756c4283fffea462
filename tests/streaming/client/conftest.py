"""A gateway that does what a test scripts, and clients that leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
from random import Random

import pytest
from websockets.asyncio.server import serve

from plumbline.streaming.client import BackoffPolicy, Client, Options, Position

PATIENCE_S = 30  # how long a test waits for what must happen; never a measure of speed
SOON = BackoffPolicy(floor_s=0.005, base_s=0.02, cap_s=0.1, stable_s=0.05)


class Scripted:
    """A gateway of the `websockets` library: it does the protocol's plain part, and what a test scripts on top.

    Each test changes `refuse` (status, headers, body of refused handshakes), `hello`, `answers` (per verb) or `heard`.
    """

    def __init__(self):
        self.refuse = []
        self.hello = {"client": "s1", "version": 2, "max_message_bytes": 65536}
        self.subprotocols = ["plumbline.v2"]
        self.heard = []  # every command, in order
        self.headers = []  # of every handshake
        self.links = []  # every connection that stands
        self.opened = 0
        self.answers = {}
        self.heads = {}  # channel -> offset
        self.changed = asyncio.Condition()

    async def start(self, **options):
        self.server = await serve(
            self._serve, "127.0.0.1", options.pop("port", 0), process_request=self._request,
            select_subprotocol=lambda _, offered: next((p for p in self.subprotocols if p in offered), None),
            ping_interval=None, close_timeout=0.5, **options,
        )  # fmt: skip
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/"
        return self

    async def stop(self):
        self.server.close()
        await self.server.wait_closed()

    async def _request(self, connection, request):
        self.headers.append(request.headers)
        await self._note()
        if self.refuse:
            status, headers, body = self.refuse.pop(0)
            response = connection.respond(status, body)
            for name, value in headers.items():
                response.headers[name] = value
            return response
        return None

    async def _serve(self, link):
        self.links.append(link)
        self.opened += 1
        if self.hello:
            await self.tell(link, hello=self.hello)
        await self._note()
        with contextlib.suppress(Exception):
            async for text in link:
                told = json.loads(text)
                for command in told if isinstance(told, list) else [told]:
                    self.heard.append(command)
                    await self._answer(link, command)
                await self._note()
        self.links.remove(link)
        await self._note()

    async def _answer(self, link, command):
        verb = next(
            key for key in command if key in ("subscribe", "unsubscribe", "publish", "history", "presence", "auth")
        )
        script = self.answers.get(verb)
        if script is not None:
            answer = script(link, command)
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer is not None:
                await self.tell(link, **({"id": command["id"]} | answer))
            return
        await self.tell(link, id=command["id"], ok=True, epoch="e", offset=self.heads.get(command[verb], 0),
                        **({"recovered": True, "messages": 0} if "since" in command else {}))  # fmt: skip

    async def tell(self, link, **told):
        await link.send(json.dumps(told))

    async def message(self, channel, offset, data=None):
        self.heads[channel] = max(offset, self.heads.get(channel, 0))
        for link in list(self.links):
            await self.tell(link, channel=channel, offset=offset, data=data)

    async def _note(self):
        async with self.changed:
            self.changed.notify_all()

    async def until(self, true):
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(true)

    def commands(self, verb):
        return [command for command in self.heard if verb in command]


@pytest.fixture
def run():
    """Return a function that runs a coroutine with patience; everything a test does happens in one loop."""

    def begin(work):
        async def bounded():
            async with asyncio.timeout(PATIENCE_S * 3):
                return await work

        return asyncio.run(bounded())

    return begin


def quick(**more):
    """Return options for tests: short delays, nothing else changed."""
    return Options(**({"backoff": SOON, "open_timeout_s": 5, "request_timeout_s": 20} | more))


@pytest.fixture
def scripted(run):
    """Return a function that runs a test with a scripted gateway and a client of it."""

    def begin(test, *, token=None, prepare=None, **options):
        async def work():
            gateway = await Scripted().start()
            if prepare:
                prepare(gateway)
            client = Client(gateway.url, token=token, options=quick(**options), rng=Random(3))
            try:
                async with client:
                    return await test(gateway, client)
            finally:
                await gateway.stop()

        return run(work())

    return begin


@pytest.fixture
def fast():
    """Return options for tests."""
    return quick


@pytest.fixture
def gateway_of():
    """Return a function that starts a scripted gateway; the test stops it."""

    async def begin(**options):
        return await Scripted().start(**options)

    return begin


def at(offset, epoch="e"):
    return Position(epoch, offset)


async def eventually(true):
    """Wait until something is true; the test's own patience ends it if it never is."""
    while not true():  # noqa: ASYNC110 - another program's doing has no event here
        await asyncio.sleep(0.01)


async def offsets(reader, count):
    return [(await anext(reader)).position.offset for _ in range(count)]
