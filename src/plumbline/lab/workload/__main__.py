"""`python -m plumbline.lab.workload URL SOCKET PLAN`: run the clients, answer questions on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
import sys
import time

from plumbline.lab.service import Workload
from plumbline.lab.workload.clients import Clients
from plumbline.lab.workload.ledger import Ledger


def audience(plan: Workload) -> list[int]:
    """Return the number of subscribers of each channel: they are dealt out in turn."""
    return [len(range(channel, plan.subscribers, plan.channels)) for channel in range(plan.channels)]


async def serve(url: str, path: str, plan: Workload) -> None:
    """Run until SIGTERM; each line on the socket asks for a window, each answer is a `Service` as JSON."""
    ledger = Ledger(audience(plan), plan.clients)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            question = json.loads(await reader.readline())
            service = ledger.measure(time.monotonic(), question["window_s"], question["since"])
            writer.write((json.dumps(dataclasses.asdict(service)) + "\n").encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    clients = asyncio.create_task(Clients(url, plan, ledger).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, clients.cancel)
    async with server:
        with contextlib.suppress(asyncio.CancelledError):
            await clients


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], Workload(**json.loads(sys.argv[3]))))
