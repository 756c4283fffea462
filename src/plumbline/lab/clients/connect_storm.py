"""Connect in bursts: all come at the same moment, as after a deploy; each connection asks once and leaves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

from plumbline.lab.clients.options import parser
from plumbline.lab.workload.connection import FAILURES, ask, opened


async def visit(url: str, timeout_s: float, stay_s: float) -> None:
    """Connect, ask once, stay a while, leave; a failure is the storm's own business."""
    with contextlib.suppress(*FAILURES):
        async with asyncio.timeout(timeout_s + stay_s), opened(url, timeout_s) as connection:
            await ask(connection, {"id": 1, "ping": 1}, timeout_s)
            await asyncio.sleep(stay_s)


async def storm(url: str, burst: int, every_s: float, timeout_s: float, stay_s: float) -> None:
    """Send a burst at each beat, for ever, without waiting for the one before."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.TaskGroup() as tasks:
        for beat in itertools.count():
            await asyncio.sleep(max(0.0, start + beat * every_s - loop.time()))
            for _ in range(burst):
                tasks.create_task(visit(url, timeout_s, stay_s))


def main() -> None:
    """Storm until killed."""
    options = parser(__doc__, timeout_s=2.0)
    options.add_argument("--burst", type=int, default=200, help="connections at the same moment")
    options.add_argument("--every", type=float, default=1.0, metavar="S", help="pause between two bursts")
    options.add_argument("--stay", type=float, default=0.0, metavar="S", help="how long a connection stays")
    arguments = options.parse_args()
    asyncio.run(storm(arguments.url, arguments.burst, arguments.every, arguments.timeout, arguments.stay))


if __name__ == "__main__":
    main()
