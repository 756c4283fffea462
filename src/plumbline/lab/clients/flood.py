"""Publish much: large messages at a high rate, more than a slow reader can take."""

from __future__ import annotations

import asyncio
import itertools
import json
import time

from websockets.asyncio.client import ClientConnection

from plumbline.lab.clients.options import parser
from plumbline.lab.workload.connection import FAILURES, opened


async def flood(url: str, channel: str, rate_hz: float, message_bytes: int) -> None:
    """Publish at a steady rate, for ever; after a failure go on with a new connection."""
    data = "x" * message_bytes
    while True:
        try:
            async with opened(url, 5.0) as connection, asyncio.TaskGroup() as tasks:
                tasks.create_task(_read(connection))
                tasks.create_task(_publish(connection, channel, rate_hz, data))
        except* FAILURES:
            await asyncio.sleep(0.2)


async def _publish(connection: ClientConnection, channel: str, rate_hz: float, data: str) -> None:
    start = time.monotonic()
    for beat in itertools.count(1):
        await connection.send(json.dumps({"id": beat, "publish": channel, "data": data}))
        await asyncio.sleep(max(0.0, start + beat / rate_hz - time.monotonic()))


async def _read(connection: ClientConnection) -> None:
    while True:
        await connection.recv()


def main() -> None:
    """Flood until killed."""
    options = parser(__doc__)
    options.add_argument("--channel", default="lab.0")
    options.add_argument("--rate", type=float, default=100.0, metavar="HZ", help="messages per second")
    options.add_argument("--bytes", type=int, default=16384, help="length of a message's data")
    arguments = options.parse_args()
    asyncio.run(flood(arguments.url, arguments.channel, arguments.rate, arguments.bytes))


if __name__ == "__main__":
    main()
