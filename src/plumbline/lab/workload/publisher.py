"""A publisher with an open loop: its messages fall due at a steady rate, whatever the server does."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

from websockets.asyncio.client import ClientConnection

from plumbline.lab.workload.ledger import Ledger

GIVE_UP_S = 1.0
"""A message that could not be sent within this time is dropped, in seconds, as clients with a time-out do."""
IN_FLIGHT = 64
"""Messages that are sent without an answer to the first."""


class Publisher:
    """Publishes to one channel; `talk` serves one connection after the other."""

    def __init__(self, channel: int, rate_hz: float, message_bytes: int, ledger: Ledger) -> None:
        self.channel = channel
        self.rate_hz = rate_hz
        self.ledger = ledger
        self._padding = "x" * max(0, message_bytes - 24)  # 24 bytes are braces, keys and the number
        self._due: asyncio.Queue[int] = asyncio.Queue()

    async def metronome(self) -> None:
        """Make a message due at each beat; runs as long as the workload."""
        start = time.monotonic()
        for beat in itertools.count(1):
            moment = start + beat / self.rate_hz
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            self._due.put_nowait(self.ledger.due(self.channel, moment))

    async def talk(self, connection: ClientConnection) -> None:
        """Publish what is due until the connection ends, and raise what ended it."""
        flying: dict[int, int] = {}
        room = asyncio.Semaphore(IN_FLIGHT)
        tasks = [
            asyncio.create_task(self._send(connection, flying, room)),
            asyncio.create_task(self._answers(connection, flying, room)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, connection: ClientConnection, flying: dict[int, int], room: asyncio.Semaphore) -> None:
        for request in itertools.count(1):
            number = await self._due.get()
            while self.ledger.stale(self.channel, number, time.monotonic() - GIVE_UP_S):
                number = await self._due.get()
            await room.acquire()
            flying[request] = number
            data = {"k": number, "pad": self._padding}
            await connection.send(json.dumps({"id": request, "publish": f"lab.{self.channel}", "data": data}))

    async def _answers(self, connection: ClientConnection, flying: dict[int, int], room: asyncio.Semaphore) -> None:
        while True:
            answer: dict[str, Any] = json.loads(await connection.recv())
            number = flying.pop(answer.get("id", 0), None)
            if number is None:
                continue
            room.release()
            if "error" in answer:
                self.ledger.error(time.monotonic(), f"publish refused: {answer['error']}")
            else:
                self.ledger.taken(self.channel, number)
