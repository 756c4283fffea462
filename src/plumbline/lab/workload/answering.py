"""Answer questions on a Unix socket: one JSON line in, one out."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any


async def answering(path: str, measure: Callable[[float, float, float], Any], work: Coroutine[Any, Any, None]) -> None:
    """Work until SIGTERM, and answer meanwhile.

    Args:
        path: The socket.
        measure: Called with now (monotonic clock), the window and the moment before which nothing counts, all in
            seconds; what it returns, a dataclass, is the answer.
        work: What to do.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            line = await reader.readline()
            if line:  # else somebody has only knocked
                question = json.loads(line)
                found = measure(time.monotonic(), question["window_s"], question["since"])
                writer.write((json.dumps(dataclasses.asdict(found)) + "\n").encode())
                await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with server:
        with contextlib.suppress(asyncio.CancelledError):
            await task
