"""Publish each message to a channel of its own, whose name has an id in it: one that nobody will ever read again."""

from __future__ import annotations

import asyncio
import itertools
import json
import time

from websockets.asyncio.client import ClientConnection

from plumbline.lab.clients.options import parser
from plumbline.lab.workload.connection import FAILURES, opened


async def publish(url: str, prefix: str, rate_hz: float, message_bytes: int) -> None:
    """Publish at a steady rate, for ever; after a failure go on with a new connection and further names."""
    numbers = itertools.count(1)
    while True:
        try:
            async with opened(url, 5.0) as connection:
                await _all(connection, numbers, prefix, rate_hz, message_bytes)
        except FAILURES:
            await asyncio.sleep(0.2)


async def _all(
    connection: ClientConnection, numbers: itertools.count[int], prefix: str, rate_hz: float, message_bytes: int
) -> None:
    data, start = "x" * message_bytes, time.monotonic()
    for beat in itertools.count(1):
        number = next(numbers)
        await connection.send(json.dumps({"publish": f"{prefix}{number}", "data": data}))
        await asyncio.sleep(max(0.0, start + beat / rate_hz - time.monotonic()))


def main() -> None:
    """Publish until killed."""
    options = parser(__doc__)
    options.add_argument("--prefix", default="orders.", help="what all names begin with")
    options.add_argument("--rate", type=float, default=100.0, metavar="HZ", help="messages per second")
    options.add_argument("--bytes", type=int, default=16384, help="length of a message's data")
    arguments = options.parse_args()
    asyncio.run(publish(arguments.url, arguments.prefix, arguments.rate, arguments.bytes))


if __name__ == "__main__":
    main()
