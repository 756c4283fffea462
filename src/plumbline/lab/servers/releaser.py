"""A build server that releases a model again and again: takes its lease, lets the alias follow the newest version.

`GET /` says how its last release ended. Each is a line of `releases.jsonl` beside its configuration.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import time
from pathlib import Path
from typing import Any

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.pipeline.leasing import Held
from plumbline.deployment.registry.store import Registry
from plumbline.lab.servers.http import Answer, Config, arguments, listen, log

_DEFAULTS: dict[str, Any] = {"registry": "", "model": "churn", "every_s": 0.5}
_WHO = "nightly"


class Releaser:
    """The build server.

    Args:
        config: Its configuration.
        book: File that gets a line for each release.
    """

    def __init__(self, config: Config, book: Path) -> None:
        self.config = config
        self._book = book
        self._numbers = itertools.count(1)
        self._said = "nothing was released yet"

    async def handle(self, path: str, _query: dict[str, str]) -> Answer:
        """Say how the last release ended."""
        return Answer(200, {"last": self._said}) if path == "/" else Answer(404, {"error": f"no {path}"})

    async def run(self) -> None:
        """Release again and again."""
        while True:
            await asyncio.to_thread(self.once)
            await asyncio.sleep(self.config["every_s"])

    def once(self) -> None:
        """Release once, and write down how it ended."""
        try:
            said, went = self.release(), True
        except DeploymentError as error:
            said, went = error.sentence, False
            log(f"ERROR {said}")
        self._said = said
        with self._book.open("a", encoding="utf-8") as book:
            book.write(f"{json.dumps({'at': time.time(), 'ok': went, 'said': said})}\n")

    def release(self) -> str:
        """Let production follow the newest version, under the lease."""
        model, holder = self.config["model"], f"{_WHO}-{next(self._numbers)}@{socket.gethostname()}"
        with Registry.open(self.config["registry"]) as registry, Held(registry, model, holder) as held:
            newest, now = registry.versions(model)[0].version, registry.aliases(model).get("production")
            if newest != now:
                registry.move(model, "production", to=newest, expect=now, by=_WHO, why="newest", epoch=held.epoch)
            return f"{model} {newest} is released"


async def main() -> None:
    """Serve and release until killed."""
    port, path = arguments()
    releaser = Releaser(Config(path, _DEFAULTS), path.parent / "releases.jsonl")
    await asyncio.gather(listen(port, releaser.handle), releaser.run())


if __name__ == "__main__":
    asyncio.run(main())
