"""A small web shop with an A/B test on its offer: it assigns visitors, renders their page, and logs who met what.

A request without a visitor is a new one's. Its configuration holds the page of each arm, with holes as `$price`; what
the request says (`?platform=ios`) fills them, too. The exposure is logged when the page is done: who saw nothing met
nothing. The experiment's file is read again when it changes.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from string import Template
from typing import Any

from plumbline.deployment.experiments.declaration import Experiment, load
from plumbline.deployment.experiments.intake import exposure
from plumbline.deployment.experiments.log import Log
from plumbline.lab.servers.http import Answer, Config, arguments, listen

_DEFAULTS: dict[str, Any] = {"experiment": "", "pages": {}, "price": "9.90", "dimensions": ["platform"]}


class Shop:
    """The shop.

    Args:
        config: Its configuration.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._stamp = 0
        self._seen: set[str] = set()
        self._experiment: Experiment | None = None
        self._log: Log | None = None

    async def handle(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a request for the offer."""
        if path != "/offer":
            return Answer(404, {"error": f"no {path}"})
        experiment, log = self._running()
        visitor = query.get("visitor") or uuid.uuid4().hex
        said = {name: query[name] for name in self.config["dimensions"] if name in query}
        met = exposure(experiment.plan, visitor, time.time(), said)
        page = Template(self.config["pages"][met.arm]).substitute({"price": self.config["price"], **query})
        if visitor not in self._seen:
            log.add(met)
            self._seen.add(visitor)
        return Answer(200, {"page": page}, {"Set-Cookie": f"visitor={visitor}; HttpOnly; SameSite=Lax"})

    def _running(self) -> tuple[Experiment, Log]:
        file = Path(self.config["experiment"])
        stamp = file.stat().st_mtime_ns
        if self._experiment is None or self._log is None or stamp != self._stamp:
            if self._log is not None:
                self._log.close()
            self._experiment, self._stamp = load(file), stamp
            self._log, self._seen = Log(self._experiment.log, sync_s=self._experiment.sync_s), set()
        return self._experiment, self._log


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    asyncio.run(listen(port, Shop(Config(path, _DEFAULTS)).handle))


if __name__ == "__main__":
    main()
