"""The clients: subscribers and publishers that live long and reconnect, and fresh connections, tried steadily."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Awaitable, Callable

import websockets
from websockets.asyncio.client import ClientConnection

from plumbline.lab.service import Workload
from plumbline.lab.workload.connection import ABNORMAL, FAILURES, ask, describe, opened
from plumbline.lab.workload.ledger import Ledger
from plumbline.lab.workload.publisher import Publisher

_BACKOFF_S = (0.05, 1.0)
_clock = time.monotonic


class Clients:
    """All clients of one workload.

    Args:
        url: Where they connect.
        plan: How many, how often.
        ledger: What they see goes there.
    """

    def __init__(self, url: str, plan: Workload, ledger: Ledger) -> None:
        self.url = url
        self.plan = plan
        self.ledger = ledger
        # One stream of random numbers of its own: a workload is the same each time.
        self._random = random.Random(7)  # noqa: S311 - jitter, no secret

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.plan.subscribers):
                tasks.create_task(self._live(f"subscriber-{number}", self._subscriber(number)))
            for number in range(self.plan.quiet):
                tasks.create_task(self._live(f"quiet-{number}", self._quiet(number)))
            for channel in range(self.plan.channels):
                publisher = Publisher(channel, self.plan.rate_hz, self.plan.message_bytes, self.ledger)
                tasks.create_task(publisher.metronome())
                tasks.create_task(self._live(f"publisher-{channel}", self._publishing(channel, publisher)))
            if self.plan.connects_hz > 0:
                tasks.create_task(self._newcomers())

    async def _live(self, name: str, talk: Callable[[ClientConnection], Awaitable[None]]) -> None:
        """Keep one client connected: note its closes, and come back with growing, jittered pauses."""
        pause = _BACKOFF_S[0]
        while True:
            up = False
            try:
                async with opened(self.url, self.plan.connect_timeout_s) as connection:
                    up = True
                    await talk(connection)
            except FAILURES as error:
                self._note(error, was_up=up)
            finally:
                self.ledger.connected.discard(name)
            pause = _BACKOFF_S[0] if up else min(2 * pause, _BACKOFF_S[1])
            await asyncio.sleep(pause * self._random.uniform(0.5, 1.5))

    def _note(self, error: BaseException, *, was_up: bool) -> None:
        now = _clock()
        if was_up:
            received = error.rcvd if isinstance(error, websockets.ConnectionClosed) else None
            self.ledger.closed(now, received.code if received else ABNORMAL)
        self.ledger.error(now, describe(error))

    def _subscriber(self, number: int) -> Callable[[ClientConnection], Awaitable[None]]:
        channel = number % self.plan.channels

        async def talk(connection: ClientConnection) -> None:
            await ask(connection, {"id": 1, "subscribe": f"lab.{channel}"}, self.plan.connect_timeout_s)
            self.ledger.connected.add(f"subscriber-{number}")
            while True:  # not `async for`: that would end in silence when the server closes normally
                message = json.loads(await connection.recv())
                data = message.get("data")
                if isinstance(data, dict) and "k" in data:
                    self.ledger.arrived(channel, data["k"], number, _clock())

        return talk

    def _publishing(self, channel: int, publisher: Publisher) -> Callable[[ClientConnection], Awaitable[None]]:
        async def talk(connection: ClientConnection) -> None:
            self.ledger.connected.add(f"publisher-{channel}")
            await publisher.talk(connection)

        return talk

    def _quiet(self, number: int) -> Callable[[ClientConnection], Awaitable[None]]:
        async def talk(connection: ClientConnection) -> None:
            await ask(connection, {"id": 1, "subscribe": f"quiet.{number}"}, self.plan.connect_timeout_s)
            self.ledger.connected.add(f"quiet-{number}")
            while True:
                await connection.recv()

        return talk

    async def _newcomers(self) -> None:
        """Try fresh connections at a steady pace, without waiting for those before."""
        running: set[asyncio.Task[None]] = set()
        start = _clock()
        for beat in itertools.count(1):
            await asyncio.sleep(max(0.0, start + beat / self.plan.connects_hz - _clock()))
            for _ in range(self.plan.connects_at_once):
                task = asyncio.create_task(self._newcomer())
                running.add(task)
                task.add_done_callback(running.discard)

    async def _newcomer(self) -> None:
        """Connect, ask once, leave; it worked if the answer came in time, however the leaving went."""
        started, answered = _clock(), None
        try:
            async with (
                asyncio.timeout(self.plan.connect_timeout_s),
                opened(self.url, self.plan.connect_timeout_s) as new,
            ):
                await ask(new, {"id": 1, "ping": 1}, self.plan.connect_timeout_s)
                answered = _clock()
        except FAILURES as error:
            if answered is None:
                self.ledger.error(_clock(), describe(error))
        self.ledger.attempt(started, answered or _clock(), worked=answered is not None)
