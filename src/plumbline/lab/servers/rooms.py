"""A chat server on asyncio: it looks up each author's profile in a database before it sends the message on.

It speaks the gateway's protocol as far as rooms need it, and `/healthz` over HTTP on the same port. Configuration:
`upstream` (the database), `calls` (`inline`: the lookup is made where the event loop runs, as code does that was
written for threads; `thread`: in a thread, with a time limit), `limit_s` (that limit; None: none), `pool` (threads).
asyncio's own debug mode is on, and logs each callback that takes longer than 0.1 s.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

from plumbline.lab.servers.http import Config, arguments, log

_DEFAULTS = {"upstream": "http://127.0.0.1/", "calls": "inline", "limit_s": None, "pool": 4}


class Rooms:
    """The server.

    Args:
        config: Its values.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.readers: dict[str, set[ServerConnection]] = defaultdict(set)
        self._pool = ThreadPoolExecutor(config["pool"])

    async def talk(self, connection: ServerConnection) -> None:
        """Serve one client."""
        try:
            async for text in connection:
                asked = json.loads(text)
                await connection.send(json.dumps({"id": asked.get("id"), **await self.answer(connection, asked)}))
        finally:
            for readers in self.readers.values():
                readers.discard(connection)

    async def answer(self, connection: ServerConnection, asked: dict[str, Any]) -> dict[str, Any]:
        """Carry out a request."""
        if "subscribe" in asked:
            self.readers[asked["subscribe"]].add(connection)
        elif "publish" in asked:
            profile = await self.profile("ada")
            message = {"channel": asked["publish"], "data": asked["data"], "profile": profile}
            broadcast(self.readers[asked["publish"]], json.dumps(message))
        return {"ok": True}

    async def profile(self, author: str) -> Any:
        """Return what the database knows of an author; nothing if it takes too long."""
        if self.config["calls"] == "inline":
            return self.look_up(author)
        try:
            async with asyncio.timeout(self.config["limit_s"]):
                return await asyncio.get_running_loop().run_in_executor(self._pool, self.look_up, author)
        except TimeoutError:
            return None

    def look_up(self, author: str) -> Any:
        """Ask the database, and wait for its answer: this blocks the thread that calls it."""
        # The address is the lab's own.
        with urllib.request.urlopen(f"{self.config['upstream']}value?key={author}", timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())


def plain(connection: ServerConnection, request: Request) -> Response | None:
    """Answer what is no WebSocket handshake."""
    if request.headers.get("Upgrade"):
        return None
    known = request.path in ("/", "/healthz")
    return connection.respond(HTTPStatus.OK if known else HTTPStatus.NOT_FOUND, "ok\n" if known else "no such page\n")


async def _serve() -> None:
    port, path = arguments()
    asyncio.get_running_loop().set_debug(True)
    rooms = Rooms(Config(path, _DEFAULTS))
    async with serve(rooms.talk, "127.0.0.1", port, process_request=plain, ping_interval=None, compression=None):
        log("INFO rooms are open")
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
