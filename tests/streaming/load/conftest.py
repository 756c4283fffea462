"""Small servers whose faults are known, in a thread; the generator meets them over real sockets."""

import asyncio
import threading

import pytest
from hypothesis import settings
from websockets.asyncio.server import serve

from plumbline.streaming.load.scenario import scenario

PATIENCE_S = 20
settings.register_profile("load", deadline=None, derandomize=True)  # a loaded machine is no failure
settings.load_profile("load")


class Plain:
    """A server without a protocol that can be told to misbehave.

    Args:
        mode: `broadcast` or `echo`.
        drop: Numbers of messages (from 1) that reach nobody.
        double: Numbers of messages that are sent twice.
        stall: (number, seconds): at this message the whole server stands still.
        hang_up_at: At this message every client is closed with 4008.
        port: Where it listens; 0: any.
    """

    def __init__(self, mode="broadcast", *, drop=(), double=(), stall=None, hang_up_at=None, port=0):
        self._port = port
        self.mode, self.drop, self.double, self.stall, self.hang_up_at = mode, drop, double, stall, hang_up_at
        self.clients, self.messages, self.released = set(), 0, threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    async def _main(self):
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        async with serve(self._serve, "127.0.0.1", self._port, compression=None, ping_interval=None) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            self._ready.set()
            await self._told.wait()

    async def _serve(self, client):
        self.clients.add(client)
        try:
            async for message in client:
                self.messages += 1
                await self._pass_on(client, message, self.messages)
        finally:
            self.clients.discard(client)

    async def _pass_on(self, client, message, number):
        if self.stall and number == self.stall[0]:
            self.released.wait(self.stall[1])  # blocks the event loop: nobody is served
        if number == self.hang_up_at:
            for one in list(self.clients):
                await one.close(4008, "slow")
            return
        if number in self.drop:
            return
        for one in [client] if self.mode == "echo" else list(self.clients):
            for _ in range(2 if number in self.double else 1):
                await one.send(message)

    def stop(self):
        self._loop.call_soon_threadsafe(self._told.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def plain():
    """Return a function that starts such a server; it is stopped after the test."""
    started = []

    def begin(*args, **options):
        started.append(Plain(*args, **options))
        return started[-1]

    yield begin
    for one in started:
        one.stop()


@pytest.fixture
def plan():
    """Return a function that makes a scenario: a ramp, then the given phases."""

    def make(*phases, **values):
        ramp = {"name": "ramp", "seconds": 30, "connect_per_s": 500, "until_connected": True}
        return scenario({"connections": 5, "settle_s": 1, **values, "phases": [ramp, *phases]}, "the test")

    return make
