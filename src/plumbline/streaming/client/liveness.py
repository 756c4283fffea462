"""Notice a peer that is gone without a word: a ping when it was quiet for a while, and a limit for its answer.

Anything that comes is a sign of life, not only the answer to a ping: behind a backlog of messages the pong comes late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed


class Liveness:
    """Watches one connection.

    Args:
        interval_s: Quiet time before a ping, in seconds.
        timeout_s: Time for any sign of life after it, in seconds.
        held: Says whether we ourselves do not read, because a reader is slow: then silence means nothing.
    """

    def __init__(self, interval_s: float, timeout_s: float, held: Callable[[], bool]) -> None:
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()

    def heard(self) -> None:
        """Note a sign of life."""
        self._heard_at = self._loop.time()

    async def watch(self, connection: ClientConnection) -> None:
        """Return when the peer gave no sign of life in time."""
        self.heard()
        while True:
            quiet = self._loop.time() - self._heard_at
            if quiet < self.interval_s or self._held():
                await asyncio.sleep(max(self.interval_s - quiet, self.interval_s / 4))
                continue
            asked_at = self._loop.time()
            with contextlib.suppress(TimeoutError, ConnectionClosed):
                async with asyncio.timeout(self.timeout_s):
                    await (await connection.ping())
                    self.heard()
            if self._heard_at < asked_at and not self._held():
                return
