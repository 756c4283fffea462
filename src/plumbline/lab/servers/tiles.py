"""A service that publishes map tiles through the gateway: `bytes` each, `every_s`, to `channel`.

With `"as": "message"` a tile is the message. With `"as": "link"` it is kept, and the message says where it is: GET
`/tile?number=N` on this server's own port has it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from typing import Any

from plumbline.lab.servers.http import Answer, Config, arguments, listen, log
from plumbline.lab.workload.connection import FAILURES, ask, opened

_DEFAULTS = {"gateway": "ws://127.0.0.1/", "channel": "tiles", "bytes": 2048, "every_s": 1.6, "as": "message"}
KEPT = 8  # tiles


class Tiles:
    """The service.

    Args:
        config: Its values.
        port: Where it offers tiles.
    """

    def __init__(self, config: Config, port: int) -> None:
        self.config = config
        self.port = port
        self._kept: OrderedDict[int, str] = OrderedDict()

    async def handle(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a request."""
        tile = self._kept.get(int(query.get("number", "0"))) if path == "/tile" else None
        return Answer(404, {"error": f"no {path}"}) if tile is None else Answer(200, {"tile": tile})

    def message(self, number: int) -> dict[str, Any]:
        """Return what is published for a tile."""
        tile = "x" * self.config["bytes"]
        if self.config["as"] == "message":
            return {"number": number, "tile": tile}
        self._kept[number] = tile
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return {"number": number, "href": f"http://127.0.0.1:{self.port}/tile?number={number}", "bytes": len(tile)}

    async def publish(self) -> None:
        """Publish for ever; after a failure go on with a new connection."""
        numbers = itertools.count(1)
        while True:
            try:
                async with opened(self.config["gateway"], 5.0) as connection:
                    for number in numbers:
                        request = {"id": number, "publish": self.config["channel"], "data": self.message(number)}
                        await ask(connection, request, 10.0)
                        log(f"INFO tile published number={number} bytes={self.config['bytes']} as={self.config['as']}")
                        await asyncio.sleep(self.config["every_s"])
            except FAILURES as error:
                log(f"WARNING cannot publish: {type(error).__name__}: {error}")
                await asyncio.sleep(0.2)


async def _serve() -> None:
    port, path = arguments()
    tiles = Tiles(Config(path, _DEFAULTS), port)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listen(port, tiles.handle))
        tasks.create_task(tiles.publish())


def main() -> None:
    """Serve until killed."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
