"""A database's stand-in: each question takes `delay_s`, and so many at a time as it has connections; the others wait.

`/value?key=K` answers with a value that changes at each question; `/stats` says how many it has answered.
Configuration: `delay_s`, `connections`, `fail` (share of questions that fail, 0 to 1).
"""

from __future__ import annotations

import asyncio
import random
from urllib.parse import urlsplit

from plumbline.lab.servers.http import Answer, Config, arguments, listen, log

_DEFAULTS = {"delay_s": 0.02, "connections": 4, "fail": 0.0}


class Upstream:
    """The server.

    Args:
        config: Its values.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.answered = self.working = self.most_waiting = self.waiting = 0
        self._turn = asyncio.Condition()
        self._random = random.Random(3)  # noqa: S311 - which question fails, no secret

    async def handle(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a request."""
        if path == "/stats":
            told = {"answered": self.answered, "waiting": self.waiting, "most_waiting": self.most_waiting}
            return Answer(200, told)
        if path != "/value":
            return Answer(404, {"error": f"no {path}"})
        await self._begin()
        try:
            await asyncio.sleep(self.config["delay_s"])
        finally:
            await self._end()
        self.answered += 1
        if self._random.random() < self.config["fail"]:
            log("ERROR too many connections")
            return Answer(503, {"error": "too many connections"})
        return Answer(200, {"key": query.get("key", ""), "value": self.answered})

    async def _begin(self) -> None:
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        async with self._turn:
            await self._turn.wait_for(lambda: self.working < self.config["connections"])
            self.working += 1
        self.waiting -= 1

    async def _end(self) -> None:
        async with self._turn:
            self.working -= 1
            self._turn.notify()


async def fetch(url: str, timeout_s: float = 5.0) -> tuple[int, dict[str, str]]:
    """Get a page; return its status and its headers (in lower case); its body is under the key `body`.

    Raises:
        OSError: It cannot be reached, or does not answer in time (TimeoutError).
    """
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        try:
            request = f"GET {parts.path or '/'}{query} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            answer = await reader.read(-1)
        finally:
            writer.close()
    head, _, body = answer.decode("latin-1").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    if not first.startswith("HTTP/"):
        raise ConnectionError(f"{parts.netloc} ended the connection without an answer")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ")[1]), headers | {"body": body}


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    asyncio.run(_serve(port, Config(path, _DEFAULTS)))


async def _serve(port: int, config: Config) -> None:
    await listen(port, Upstream(config).handle)


if __name__ == "__main__":
    main()
