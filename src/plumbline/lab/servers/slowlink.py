"""A slow link: TCP to `target` (HOST:PORT), with so many bytes a second towards the client (`bytes_hz`).

It holds little, as a link does: what it cannot pass on waits at the sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from plumbline.lab.servers.http import Config, arguments

_DEFAULTS = {"target": "127.0.0.1:80", "bytes_hz": 1_500_000.0}
PIECE = 8192
BUFFER = 32768


async def join(config: Config, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on in both directions until one side ends."""
    host, _, port = config["target"].rpartition(":")
    with contextlib.suppress(OSError):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # before connect: it sets the window
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        down, up = await asyncio.open_connection(sock=sock, limit=PIECE)
        ways = [
            asyncio.create_task(carry(down, writer, config)),
            asyncio.create_task(carry(reader, up, None)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        up.close()
    writer.close()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, config: Config | None) -> None:
    """Pass bytes on in one direction, as fast as the configuration says; without one as fast as they come."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
            if config is not None:
                due = max(due, loop.time() - 0.01) + len(piece) / config["bytes_hz"]
                await asyncio.sleep(max(0.0, due - loop.time()))


async def _serve() -> None:
    port, path = arguments()
    config = Config(path, _DEFAULTS)
    server = await asyncio.start_server(lambda *ends: join(config, *ends), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
