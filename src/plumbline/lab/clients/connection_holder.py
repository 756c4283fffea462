"""Open many WebSocket connections and keep them: users, or a client that leaks them; a closed one comes back."""

from __future__ import annotations

import asyncio

from plumbline.lab.clients.options import parser
from plumbline.lab.workload.connection import FAILURES, opened


async def hold(url: str, delay_s: float, timeout_s: float, retry_s: float) -> None:
    """Keep one connection open, for ever."""
    await asyncio.sleep(delay_s)
    while True:
        try:
            async with opened(url, timeout_s) as connection:
                while True:
                    await connection.recv()
        except FAILURES:
            await asyncio.sleep(retry_s)


async def hold_all(url: str, count: int, rate_hz: float, timeout_s: float, retry_s: float) -> None:
    """Open them at a steady rate and keep them open, for ever."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(hold(url, number / rate_hz, timeout_s, retry_s))


def main() -> None:
    """Hold the connections until killed."""
    options = parser(__doc__, timeout_s=5.0)
    options.add_argument("--count", type=int, default=100, help="number of connections")
    options.add_argument("--rate", type=float, default=200.0, metavar="HZ", help="how many are opened per second")
    options.add_argument("--retry", type=float, default=0.5, metavar="S", help="pause after a failure")
    arguments = options.parse_args()
    asyncio.run(hold_all(arguments.url, arguments.count, arguments.rate, arguments.timeout, arguments.retry))


if __name__ == "__main__":
    main()
