"""Many connections that all behave in one way; `plumbline.lab.Population` says how. It answers what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import websockets
from websockets.asyncio.client import ClientConnection

from plumbline.lab.population import Census, Population
from plumbline.lab.workload.answering import answering
from plumbline.lab.workload.connection import FAILURES, ask, opened
from plumbline.lab.workload.ledger import Ledger

_clock = time.monotonic
_LIVE = ("rate_hz", "message_bytes", "stay_s", "retry_s", "jitter", "read_bytes_hz")
"""What a change of the plan's file changes in clients that run; the rest holds from the start."""
_LOOK_S = 0.1
_CATCH_UP_S = 10.0
"""Beats that a client was held back from are caught up, but no more than those of so many seconds."""
Talk = Callable[[ClientConnection, int], Awaitable[None]]
"""What a client does as long as its connection lasts; called with it and the client's number."""


class Crowd:
    """The clients of one population.

    Args:
        url: Where they connect.
        plan: What they do.
        file: JSON file of the plan, read again when it changes: the clients' configuration.
    """

    def __init__(self, url: str, plan: Population, file: Path | None = None) -> None:
        self.url = url
        self.plan = plan
        self._file = file
        self.ledger = Ledger((), plan.count)
        self.received: list[float] = []
        self.sent: list[float] = []
        # One stream of random numbers of its own: a population is the same each time.
        self._random = random.Random(11)  # noqa: S311 - jitter, no secret

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._file is not None:
                tasks.create_task(self._follow(self._file))
            if self.plan.kind == "churners":
                tasks.create_task(self._churn(tasks))
                return
            talk = {"subscribers": self._read, "slow": self._dawdle, "publishers": self._publish}[self.plan.kind]
            pace_hz = 0.0 if self.plan.kind == "publishers" else self.plan.rate_hz
            for number in range(self.plan.count):
                tasks.create_task(self._live(number, number / pace_hz if pace_hz else 0.0, talk))

    def measure(self, now: float, window_s: float, since: float) -> Census:
        """Return what they saw in the window that ends now."""
        service = self.ledger.measure(now, window_s, since)
        start = max(now - window_s, since)
        return Census(
            window_s=window_s,
            connected=service.clients,
            wanted=self.plan.count,
            connects=service.connects_ok + service.connects_failed,
            failed=service.connects_failed,
            closed=service.unexpected_closes,
            received=sum(moment >= start for moment in self.received),
            sent=sum(moment >= start for moment in self.sent),
            connect_p99_s=service.connect_p99_s,
            away_s=0.0 if self.plan.kind == "churners" else service.away_s,
        )

    async def _follow(self, file: Path) -> None:
        """Take over what changes in the file; half a file is looked at again."""
        seen = ""
        while True:
            with contextlib.suppress(OSError, ValueError, KeyError):
                if (text := file.read_text()) != seen:  # noqa: ASYNC240 - a small local file
                    told = json.loads(text)
                    self.plan = dataclasses.replace(self.plan, **{key: told[key] for key in _LIVE})
                    seen = text
            await asyncio.sleep(_LOOK_S)

    async def _live(self, number: int, delay_s: float, talk: Talk) -> None:
        await asyncio.sleep(delay_s)
        while True:
            await self._once(number, talk)
            await asyncio.sleep(self.plan.retry_s * self._random.uniform(1 - self.plan.jitter, 1 + self.plan.jitter))

    async def _once(self, number: int, talk: Talk) -> None:
        """Connect, and do what they do until the connection ends."""
        started, up = _clock(), False
        address = f"127.0.0.{1 + number % self.plan.addresses}"
        try:
            async with opened(self.url, self.plan.timeout_s, source=address) as connection:
                channel = self.plan.channels[number % len(self.plan.channels)]
                if self.plan.kind in ("subscribers", "slow"):
                    await ask(connection, {"id": 1, "subscribe": channel}, self.plan.timeout_s)
                up = True
                self.ledger.attempt(started, _clock(), worked=True)
                self.ledger.up(str(number), _clock())
                await talk(connection, number)
        except FAILURES as error:
            if up:
                received = error.rcvd if isinstance(error, websockets.ConnectionClosed) else None
                self.ledger.closed(_clock(), received.code if received else 1006)
            else:
                self.ledger.attempt(started, _clock(), worked=False)
        finally:
            self.ledger.down(str(number), _clock())

    async def _read(self, connection: ClientConnection, number: int) -> None:
        del number
        while True:
            await connection.recv()
            _count(self.received)

    async def _dawdle(self, connection: ClientConnection, number: int) -> None:
        """Read so many bytes a second, or none: what the library has read ahead is little."""
        del number
        if not self.plan.read_bytes_hz:
            connection.transport.pause_reading()
            await asyncio.Event().wait()
        while True:
            message = await connection.recv()
            _count(self.received)
            await asyncio.sleep(len(message) / self.plan.read_bytes_hz)

    async def _publish(self, connection: ClientConnection, number: int) -> None:
        channel = self.plan.channels[number % len(self.plan.channels)]
        due, room = _clock(), asyncio.Semaphore(self.plan.unanswered or sys.maxsize)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._answers(connection, room))
                while True:
                    await self._crest()
                    await room.acquire()
                    data = "x" * self.plan.message_bytes
                    await connection.send(json.dumps({"id": 1, "publish": channel, "data": data}))
                    due = max(due, _clock() - _CATCH_UP_S) + 1 / max(self.plan.rate_hz, 0.01)
                    await asyncio.sleep(max(0.0, due - _clock()))
        except ExceptionGroup as failed:  # the connection's end, as every other client sees it
            raise failed.exceptions[0] from None

    async def _crest(self) -> None:
        """Wait for the half of the wave in which publishers send; the clock is one for all."""
        if (wave_s := self.plan.wave_s) and (past_s := _clock() % wave_s) >= wave_s / 2:
            await asyncio.sleep(wave_s - past_s)

    async def _answers(self, connection: ClientConnection, room: asyncio.Semaphore) -> None:
        while True:
            answer = json.loads(await connection.recv())
            room.release()
            if "ok" in answer:
                _count(self.sent)

    async def _churn(self, tasks: asyncio.TaskGroup) -> None:
        """Let one come at each beat, whatever became of those before; at most `count` at a time."""
        due, here = _clock(), 0

        async def visit(number: int) -> None:
            nonlocal here
            here += 1
            await self._once(number, self._stay)
            here -= 1

        for beat in itertools.count(1):
            due = max(due, _clock() - _CATCH_UP_S) + 1 / max(self.plan.rate_hz, 0.01)
            await asyncio.sleep(max(0.0, due - _clock()))
            if here < self.plan.count:
                tasks.create_task(visit(beat))

    async def _stay(self, connection: ClientConnection, number: int) -> None:
        """Stay for a while; who is sent away before notices."""
        del number
        await ask(connection, {"id": 1, "ping": 1}, self.plan.timeout_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.plan.stay_s):
                while True:
                    await connection.recv()


def _count(moments: list[float]) -> None:
    """Note that something happened now; what is older than any window is forgotten."""
    moments.append(_clock())
    if len(moments) > 100_000:
        del moments[:50_000]


def main() -> None:
    """Run until SIGTERM: URL, socket for questions, file of the population as JSON."""
    file = Path(sys.argv[3])
    fields = json.loads(file.read_text())
    crowd = Crowd(sys.argv[1], Population(**fields | {"channels": tuple(fields["channels"])}), file)
    asyncio.run(answering(sys.argv[2], crowd.measure, crowd.run()))


if __name__ == "__main__":
    main()
