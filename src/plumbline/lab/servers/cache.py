"""A cache in front of an upstream: `/get?key=K` answers from memory for `ttl_s`, then asks `upstream` again.

Configuration: `upstream` (URL), `ttl_s`, `coalesce` (true: of many who ask for a missing key at once, one asks the
upstream and the others wait for its answer), `stale_s` (an expired value still serves so long while it is renewed),
`jitter` (share by which the time to live varies). `/stats` says hits, misses and how many questions went on.
`/clear` empties it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from typing import Any

from plumbline.lab.servers.http import Answer, Config, arguments, listen, log
from plumbline.lab.servers.upstream import fetch

_DEFAULTS = {"upstream": "", "ttl_s": 1.0, "coalesce": True, "stale_s": 0.0, "jitter": 0.0, "timeout_s": 5.0}


@dataclass(slots=True)
class Entry:
    """A value, and until when it is fresh (monotonic clock, in seconds)."""

    value: Any
    until: float


class Cache:
    """The server.

    Args:
        config: Its values.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.entries: dict[str, Entry] = {}
        self.asking: dict[str, asyncio.Task[Any]] = {}
        self.counts = {"hits": 0, "misses": 0, "asked": 0, "failed": 0}
        self._random = random.Random(5)  # noqa: S311 - spreads expiries, no secret

    async def handle(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a request."""
        if path == "/stats":
            return Answer(200, self.counts | {"keys": len(self.entries)})
        if path == "/clear":
            self.entries.clear()
            return Answer(200, {"ok": True})
        if path != "/get":
            return Answer(404, {"error": f"no {path}"})
        try:
            return Answer(200, await self.get(query.get("key", "")))
        except (OSError, ValueError) as error:
            self.counts["failed"] += 1
            log(f"ERROR upstream: {type(error).__name__}: {error}")
            return Answer(502, {"error": f"upstream: {error or type(error).__name__}"})

    async def get(self, key: str) -> Any:
        """Return the value of a key."""
        entry, now = self.entries.get(key), time.monotonic()
        if entry is not None and now < entry.until + self.config["stale_s"]:
            self.counts["hits"] += 1
            if now >= entry.until:
                self._renew(key)
            return entry.value
        self.counts["misses"] += 1
        if not self.config["coalesce"]:
            return await self._ask(key)
        return await asyncio.shield(self._renew(key))

    def _renew(self, key: str) -> asyncio.Task[Any]:
        """Ask the upstream, unless somebody does."""
        task = self.asking.get(key)
        if task is None:
            task = self.asking[key] = asyncio.create_task(self._ask(key))
            task.add_done_callback(lambda done: (self.asking.pop(key, None), done.cancelled() or done.exception()))
        return task

    async def _ask(self, key: str) -> Any:
        self.counts["asked"] += 1
        status, told = await fetch(f"{self.config['upstream'].rstrip('/')}/value?key={key}", self.config["timeout_s"])
        if status >= 400:
            raise OSError(f"status {status}")
        value = json.loads(told["body"])
        spread = self._random.uniform(1 - self.config["jitter"], 1 + self.config["jitter"])
        self.entries[key] = Entry(value, time.monotonic() + self.config["ttl_s"] * spread)
        return value


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    asyncio.run(listen(port, Cache(Config(path, _DEFAULTS)).handle))


if __name__ == "__main__":
    main()
