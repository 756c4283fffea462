"""What a WebSocket library costs a Python client, and what the Plumbline client adds.

    python benchmarks/streaming/client_libraries.py [--quick]

A sender in a process of its own writes 100,000 messages of about 150 bytes as fast as they are taken; each client runs
in a process of its own, decodes every message's JSON, and then holds 500 idle connections. CPU is the client's own.

Bounds: one connection; sender and client share the machine's cores. Compare the rows, not the microseconds.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import logging
import multiprocessing
import os
import sys
import time
from itertools import count
from multiprocessing.connection import Connection

import common
import psutil
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    ws_connect,
    ws_create_server,
)
from picows import WSUpgradeResponseWithListener as Upgrade
from websockets.asyncio.client import connect

from plumbline.streaming.client import Client
from plumbline.streaming.core.frames import text_frame

QUICK = "PLUMBLINE_BENCH_QUICK"  # in the environment, since every client is a process of its own
MESSAGES = 1000 if QUICK in os.environ else 100_000
CONNECTIONS = 10 if QUICK in os.environ else 500
HELLO = {"hello": {"client": "c", "version": 2}}
DATA = {"model": "m7", "score": 0.93, "text": "x" * 60}


def message(offset: int) -> bytes:
    """Return a message's frame."""
    return text_frame(json.dumps({"channel": "scores", "offset": offset, "data": DATA}).encode())


class Sender(WSListener):
    """Greets, and answers any text with the burst."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Greet."""
        transport.send(WSMsgType.TEXT, json.dumps(HELLO).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer with the burst, or say goodbye."""
        if frame.msg_type == WSMsgType.TEXT:
            asked = json.loads(frame.get_payload_as_utf8_text())
            if isinstance(asked, dict):
                answer = {"id": asked["id"], "ok": True, "epoch": "e", "offset": 0}
                transport.send(WSMsgType.TEXT, json.dumps(answer).encode())
            self.task = asyncio.get_running_loop().create_task(self.burst(transport))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()

    async def burst(self, transport: WSTransport) -> None:
        """Send everything, as fast as it is taken."""
        stream = transport.underlying_transport
        for first in range(1, MESSAGES, 100):
            if stream.is_closing():
                return
            stream.write(b"".join(message(first + n) for n in range(100)))
            while stream.get_write_buffer_size() > 1 << 18:  # noqa: ASYNC110 - the transport has no event for it
                await asyncio.sleep(0.0005)


def sender(tell: Connection) -> None:
    """Serve in a process of its own, and tell the port."""

    def listen(_: WSUpgradeRequest) -> Upgrade:
        headers = {"Sec-WebSocket-Protocol": "plumbline.v2"}
        return Upgrade(WSUpgradeResponse.create_101_response(headers), Sender())

    logging.disable()

    async def main() -> None:
        server = await ws_create_server(listen, "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def with_websockets(url: str) -> None:
    """Take in all messages with the library that the client uses."""
    async with connect(url, subprotocols=["plumbline.v2"], compression=None, proxy=None, ping_interval=None) as link:
        await link.send("1")
        for _ in range(MESSAGES + 1):
            json.loads(await link.recv())


async def with_picows(url: str) -> None:
    """Take them in with picows."""
    done = asyncio.Event()
    seen = count()

    class Reader(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            transport.send(WSMsgType.TEXT, b"1")

        def on_ws_frame(self, _: WSTransport, frame: WSFrame) -> None:
            json.loads(frame.get_payload_as_utf8_text())
            if next(seen) == MESSAGES:
                done.set()

    transport, _ = await ws_connect(Reader, url, extra_headers={"Sec-WebSocket-Protocol": "plumbline.v2"})
    await done.wait()
    transport.disconnect()


async def with_plumbline(url: str) -> None:
    """Take them in with the client: positions, readers, buffers."""
    async with Client(url) as client, client.subscribe("scores") as scores:
        for _ in range(MESSAGES):
            await anext(scores)


async def hold(library: str, url: str) -> float:
    """Return the resident KiB of an idle connection."""
    before, kept = psutil.Process().memory_info().rss, []
    for _ in range(CONNECTIONS):
        if library == "picows":
            kept.append(await ws_connect(WSListener, url, extra_headers={"Sec-WebSocket-Protocol": "plumbline.v2"}))
        elif library == "websockets":
            kept.append(
                await connect(url, subprotocols=["plumbline.v2"], compression=None, proxy=None, ping_interval=None)
            )
    return (psutil.Process().memory_info().rss - before) / CONNECTIONS / 1024


def measure(library: str, url: str, tell: Connection) -> None:
    """Measure in a process of its own, and tell the row."""
    work = {"websockets": with_websockets, "picows": with_picows, "plumbline": with_plumbline}[library]
    logging.getLogger("picows").setLevel(logging.ERROR)
    began = time.process_time()
    asyncio.run(work(url))
    cpu = (time.process_time() - began) / MESSAGES * 1e6
    memory = None if library == "plumbline" else round(asyncio.run(hold(library, url)), 1)
    tell.send({"client": library, "cpu_us": round(cpu, 2), "resident_kib": memory})


def decoding() -> dict[str, str | float | None]:
    """Return the row of what every client has to do."""
    text = message(123_456)[4:].decode()
    began = time.process_time()
    for _ in range(MESSAGES):
        json.loads(text)
    cpu = (time.process_time() - began) / MESSAGES * 1e6
    return {"client": "(decoding the JSON alone)", "cpu_us": round(cpu, 2), "resident_kib": None}


def main() -> None:
    """Measure each, print the rows and keep them."""
    given = common.arguments(__doc__)
    if given.quick and QUICK not in os.environ:
        os.environ[QUICK] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    started, start = time.time(), multiprocessing.get_context("spawn")
    ours, theirs = start.Pipe()
    server = start.Process(target=sender, args=(theirs,), daemon=True)
    server.start()
    url, rows = f"ws://127.0.0.1:{ours.recv()}/", [decoding()]
    for library in ("websockets", "picows", "plumbline"):
        client = start.Process(target=measure, args=(library, url, theirs))
        client.start()
        rows.append(ours.recv())
        client.join()
    server.kill()
    versions = {name: importlib.metadata.version(name) for name in ("websockets", "picows")}
    common.save("client_libraries", given.quick, started, rows, versions=versions, bounds={"messages": MESSAGES})
    common.table(["client", "us a message", "KiB idle"], [list(row.values()) for row in rows])


if __name__ == "__main__":
    main()
