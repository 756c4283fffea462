"""The clients: subscribers and publishers that live long and reconnect, and fresh connections, tried steadily."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urljoin

import websockets
from websockets.asyncio.client import ClientConnection

from plumbline.lab.service import Workload
from plumbline.lab.workload.connection import ABNORMAL, FAILURES, ask, describe, opened
from plumbline.lab.workload.judging import right
from plumbline.lab.workload.ledger import Ledger
from plumbline.lab.workload.plain import RequestError, request
from plumbline.lab.workload.publisher import Publisher

_BACKOFF_S = (0.05, 1.0)
_clock = time.monotonic


class Clients:
    """All clients of one workload.

    Args:
        where: Where they connect: `main`, and the addresses of `plan.subscribe_at` by their names.
        plan: How many, how often.
        ledger: What they see goes there.
    """

    def __init__(self, where: Mapping[str, str], plan: Workload, ledger: Ledger) -> None:
        self.url = where["main"]
        self.places = [where["main"], *(where[name] for name in plan.subscribe_at)]
        self.plan = plan
        self.ledger = ledger
        self._asks = itertools.cycle(plan.asks)
        # One stream of random numbers of its own: a workload is the same each time.
        self._random = random.Random(7)  # noqa: S311 - jitter, no secret

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.plan.subscribers):
                tasks.create_task(self._live(f"subscriber-{number}", self._subscriber(number), number))
            for number in range(self.plan.quiet):
                tasks.create_task(self._live(f"quiet-{number}", self._quiet(number)))
            for channel in range(self.plan.channels):
                publisher = Publisher(channel, self.plan.rate_hz, self.plan.message_bytes, self.ledger)
                tasks.create_task(publisher.metronome())
                tasks.create_task(self._live(f"publisher-{channel}", self._publishing(channel, publisher)))
            if self.plan.connects_hz > 0:
                tasks.create_task(self._steadily(self.plan.connects_hz, self.plan.connects_at_once, self._newcomer))
            if self.plan.requests_hz > 0:
                tasks.create_task(self._steadily(self.plan.requests_hz, 1, self._request))

    async def _live(self, name: str, talk: Callable[[ClientConnection], Awaitable[None]], turn: int = 0) -> None:
        """Keep one client connected: note its closes, and come back with growing, jittered pauses."""
        pause = _BACKOFF_S[0]
        places = self.places if name.startswith("subscriber") else self.places[:1]
        while True:
            up = False
            try:
                async with opened(places[turn % len(places)], self.plan.connect_timeout_s) as connection:
                    up = True
                    await talk(connection)
            except FAILURES as error:
                self._note(error, was_up=up)
            finally:
                self.ledger.down(name, _clock())
            turn += self.plan.failover and not up
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
            for each, further in enumerate(self.plan.also, 2):
                await ask(connection, {"id": each, "subscribe": further}, self.plan.connect_timeout_s)
            self.ledger.up(f"subscriber-{number}", _clock())
            while True:  # not `async for`: that would end in silence when the server closes normally
                message = json.loads(await connection.recv())
                data = message.get("data")
                if isinstance(data, dict) and "k" in data:
                    self.ledger.arrived(channel, data["k"], number, _clock())

        return talk

    def _publishing(self, channel: int, publisher: Publisher) -> Callable[[ClientConnection], Awaitable[None]]:
        async def talk(connection: ClientConnection) -> None:
            self.ledger.up(f"publisher-{channel}", _clock())
            await publisher.talk(connection)

        return talk

    def _quiet(self, number: int) -> Callable[[ClientConnection], Awaitable[None]]:
        async def talk(connection: ClientConnection) -> None:
            await ask(connection, {"id": 1, "subscribe": f"quiet.{number}"}, self.plan.connect_timeout_s)
            self.ledger.up(f"quiet-{number}", _clock())
            while True:
                await connection.recv()

        return talk

    async def _steadily(self, rate_hz: float, at_once: int, attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Try something at a steady pace, without waiting for the attempts before."""
        running: set[asyncio.Task[None]] = set()
        start = _clock()
        for beat in itertools.count(1):
            await asyncio.sleep(max(0.0, start + beat / rate_hz - _clock()))
            for _ in range(at_once):
                task = asyncio.create_task(attempt())
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

    async def _request(self) -> None:
        """Send one HTTP request; it worked if the answer came in time and is no error, and may still be wrong."""
        started, worked, good = _clock(), False, True
        asked = next(self._asks, None)
        try:
            async with asyncio.timeout(self.plan.request_timeout_s):
                if asked is None:
                    await request(urljoin(self.url, self.plan.request_path))
                else:
                    good = right(await request(urljoin(self.url, asked.path), asked.body), asked)
            worked = True
        except (OSError, TimeoutError, RequestError) as error:
            self.ledger.error(_clock(), describe(error))
        self.ledger.request(started, _clock(), worked=worked, right=good)
