#!/usr/bin/env python3
"""Which of HAProxy's time-outs ends a quiet WebSocket? Real HAProxy, one connection that says nothing per row.

Run: `python benchmarks/haproxy_idle.py` (needs haproxy on the PATH; about half a minute; 127.0.0.1 only).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import websockets
from websockets.asyncio.server import ServerConnection, serve

WATCH_S = 6.0
FLAGS = re.compile(r" 101 \d+ \S+ \S+ (\S{4}) ")
KEEPALIVE = ("option tcpka", *(f"{side}tcpka-{what} 1s" for side in ("cli", "srv") for what in ("idle", "intvl")))
ROWS: list[tuple[str, tuple[str, ...], float | None]] = [
    ("tunnel 2 s, client and server 30 s", ("timeout tunnel 2s", "timeout client 30s", "timeout server 30s"), None),
    ("no tunnel, client 3 s, server 2 s", ("timeout client 3s", "timeout server 2s"), None),
    ("no tunnel, client 2 s, server 3 s", ("timeout client 2s", "timeout server 3s"), None),
    ("tunnel 4 s, client and server 1 s", ("timeout tunnel 4s", "timeout client 1s", "timeout server 1s"), None),
    (
        "tunnel 2 s, TCP keepalive each second",
        ("timeout tunnel 2s", "timeout client 30s", "timeout server 30s", *KEEPALIVE),
        None,
    ),
    ("tunnel 2 s, WebSocket ping each second", ("timeout tunnel 2s", "timeout client 30s", "timeout server 30s"), 1.0),
]


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(front: int, back: int, lines: tuple[str, ...]) -> str:
    """Return a HAProxy configuration with these lines among the defaults."""
    defaults = ("mode http", "log global", "option httplog", "timeout connect 2s", *lines)
    sections = (
        ("global", "log stderr format raw local0"),
        ("defaults", *defaults),
        ("frontend ws", f"bind 127.0.0.1:{front}", "default_backend app"),
        ("backend app", f"server app 127.0.0.1:{back}"),
    )
    return "".join(f"{name}\n" + "".join(f"    {line}\n" for line in inside) for name, *inside in sections)


async def lifetime(url: str) -> float | None:
    """Return after how many seconds a quiet connection ended; None: it lived as long as it was watched."""
    async with websockets.connect(url, ping_interval=None, proxy=None) as link:
        began = time.monotonic()
        with contextlib.suppress(TimeoutError, websockets.ConnectionClosed):
            async with asyncio.timeout(WATCH_S):
                await link.recv()
        ended = time.monotonic() - began
        return ended if ended < WATCH_S - 0.1 else None


async def row(folder: Path, lines: tuple[str, ...], ping_s: float | None) -> tuple[float | None, str]:
    """Measure one configuration: (lifetime in seconds, termination flags of HAProxy's log)."""

    async def talk(link: ServerConnection) -> None:
        await link.wait_closed()

    async with serve(talk, "127.0.0.1", 0, ping_interval=ping_s) as server:
        front, back = free_port(), server.sockets[0].getsockname()[1]
        config = folder / "haproxy.cfg"
        config.write_text(configuration(front, back, lines))
        process = await asyncio.create_subprocess_exec(
            "haproxy", "-f", str(config), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    age = await lifetime(f"ws://127.0.0.1:{front}/")
                    break
                await asyncio.sleep(0.05)
            else:
                raise SystemExit(f"HAProxy does not answer on port {front}")
        finally:
            process.terminate()
            log = (await process.communicate())[1].decode()
    found = FLAGS.findall(log)
    return age, found[0] if found else "-"


async def main() -> None:
    """Print the table."""
    if shutil.which("haproxy") is None:
        raise SystemExit("haproxy is not on the PATH: apt-get install haproxy")
    print("| HAProxy says | the quiet connection | flags |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for title, lines, ping_s in ROWS:
            age, flags = await row(Path(folder), lines, ping_s)
            told = f"cut after {age:.1f} s" if age is not None else f"alive after {WATCH_S:.0f} s"
            print(f"| {title} | {told} | `{flags}` |")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
