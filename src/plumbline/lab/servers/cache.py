"""A cache in front of an upstream: `/get?key=K` answers from `plumbline.streaming`'s own cache, kept in memory.

Configuration: `upstream` (URL), `ttl_s`, `stale_s` (an expired value still serves so long while it is computed anew),
`jitter` (share by which the time to live is shortened at random), `protection` (one computation of a key at a time),
`admin` (path of its admin socket, where `{"set": {"protection": false}}` changes that while it runs). `/stats` shows
its counters. A load that takes longer than `slow_s` is logged.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

from plumbline.lab.servers.http import Answer, Config, arguments, listen, log
from plumbline.lab.servers.upstream import fetch
from plumbline.streaming.cluster.cache import Cache, CacheOptions, LoadFailedError
from plumbline.streaming.cluster.cacheadmin import on_socket
from plumbline.streaming.cluster.cachestores import MemoryStore

_DEFAULTS = {
    "upstream": "",
    "ttl_s": 1.0,
    "stale_s": 0.0,
    "jitter": 0.0,
    "protection": True,
    "timeout_s": 5.0,
    "slow_s": 0.3,
    "admin": None,
}


class Caching:
    """The server.

    Args:
        config: Its values; `protection` counts when it changes, so that the admin socket may change it too.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._protection: bool = config["protection"]
        options = CacheOptions(protection=self._protection, jitter=config["jitter"], failure_s=0.1)
        self.cache = Cache(MemoryStore(), options)

    async def handle(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a request."""
        if path == "/stats":
            return Answer(200, self.cache.stats())
        if path != "/get":
            return Answer(404, {"error": f"no {path}"})
        self._follow_config()
        try:
            key = query.get("key", "-")
            found = await self.cache.computed(
                key, lambda: self._ask(key), ttl_s=self.config["ttl_s"], stale_for_s=self.config["stale_s"]
            )
            return Answer(200, json.loads(found.value), {"Age": f"{found.age_s or 0.0:.0f}"})
        except (OSError, ValueError, LoadFailedError) as error:
            log(f"ERROR upstream: {type(error).__name__}: {error}")
            return Answer(502, {"error": f"upstream: {error or type(error).__name__}"})

    def _follow_config(self) -> None:
        wanted = self.config["protection"]
        if wanted != self._protection:
            self._protection = wanted
            self.cache.options = replace(self.cache.options, protection=wanted)
        self.cache.options = replace(self.cache.options, jitter=self.config["jitter"])

    async def _ask(self, key: str) -> bytes:
        began = time.monotonic()
        status, told = await fetch(f"{self.config['upstream'].rstrip('/')}/value?key={key}", self.config["timeout_s"])
        if (took_s := time.monotonic() - began) > self.config["slow_s"]:
            log(f"WARNING slow load key={key} took_s={took_s:.3f}")
        if status >= 400:
            raise OSError(f"status {status}")
        return told["body"].encode()


async def _serve(port: int, config: Config) -> None:
    caching = Caching(config)
    path = config["admin"]
    admin = on_socket(path, caching.cache) if path else None
    try:
        await listen(port, caching.handle)
    finally:
        if admin is not None:
            admin.close()


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    asyncio.run(_serve(port, Config(path, _DEFAULTS)))


if __name__ == "__main__":
    main()
