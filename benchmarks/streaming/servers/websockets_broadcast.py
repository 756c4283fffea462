"""Every message goes to all clients: the `websockets` library on uvloop, with its own `broadcast`, no compression."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

clients = set()


async def serve_one(client: ServerConnection) -> None:
    """Keep one client."""
    clients.add(client)
    try:
        async for message in client:
            broadcast(clients, message)
    finally:
        clients.discard(client)


async def main() -> None:
    """Run for ever; the port is the first line of output."""
    async with serve(
        serve_one, "127.0.0.1", 0, compression=None, ping_interval=float(sys.argv[1]), ping_timeout=None, backlog=4096
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


uvloop.run(main())
