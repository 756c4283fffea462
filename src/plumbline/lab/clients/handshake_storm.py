"""Shake hands in TLS at a steady rate and leave: clients that come back and resume no session."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from urllib.parse import urlsplit

from plumbline.lab.clients.options import parser


async def visit(host: str, port: int, trust: ssl.SSLContext, timeout_s: float) -> None:
    """Shake hands in full and leave; a failure is the storm's own business."""
    with contextlib.suppress(OSError, TimeoutError, ssl.SSLError):
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port, ssl=trust)
        writer.transport.abort()


async def storm(url: str, rate_hz: float, most: int, timeout_s: float) -> None:
    """Keep the rate for ever, whatever became of the handshakes before."""
    parts, loop, here = urlsplit(url), asyncio.get_running_loop(), set[asyncio.Task[None]]()
    trust, start = ssl.create_default_context(), loop.time()
    for beat in itertools.count():
        await asyncio.sleep(max(0.0, start + beat / rate_hz - loop.time()))
        if len(here) < most:
            task = loop.create_task(visit(parts.hostname or "", parts.port or 443, trust, timeout_s))
            here.add(task)
            task.add_done_callback(here.discard)


def main() -> None:
    """Storm until killed."""
    options = parser(__doc__, timeout_s=5.0)
    options.add_argument("--rate", type=float, default=100.0, metavar="HZ", help="handshakes per second")
    options.add_argument("--most", type=int, default=400, help="handshakes under way; no more begin before one ends")
    arguments = options.parse_args()
    asyncio.run(storm(arguments.url, arguments.rate, arguments.most, arguments.timeout))


if __name__ == "__main__":
    main()
