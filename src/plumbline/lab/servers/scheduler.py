"""A scheduler of trainings and the monitoring it looks at: what a timer and `plumb retrain run` do, in one process.

Each look measures the model (a drift that trembles around a value, and labels that come in steadily), reads the
retraining file as it is now, decides, and trains. `GET /` says how many trainings were started.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from pathlib import Path
from typing import Any

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.retraining.declaration import load
from plumbline.deployment.retraining.observations import observe
from plumbline.deployment.retraining.state import Store
from plumbline.deployment.retraining.trigger import Result, command, retrain
from plumbline.lab.servers.http import Answer, Config, arguments, listen, log

_DEFAULTS: dict[str, Any] = {"retraining": "", "every_s": 0.25, "drift": [0.25, 0.15], "labels_hz": 10.0}


class Scheduler:
    """The scheduler.

    Args:
        config: Its configuration; `retraining` is the path of the file.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = Path(config["retraining"]).parent
        self.started = 0
        self._looks = itertools.count()
        self._since = time.time()

    async def handle(self, path: str, _query: dict[str, str]) -> Answer:
        """Say how many trainings were started."""
        if path != "/":
            return Answer(404, {"error": f"no {path}"})
        return Answer(200, {"trainings": self.started})

    async def run(self) -> None:
        """Look again and again."""
        while True:
            began = time.monotonic()
            try:
                result = await asyncio.to_thread(self.look)
            except DeploymentError as error:
                log(f"ERROR {error.sentence}")
            else:
                if result.run is not None:
                    self.started += 1
                    log(f"INFO train: {result.decision.sentence}")
            await asyncio.sleep(max(0.0, self.config["every_s"] - (time.monotonic() - began)))

    def look(self) -> Result:
        """Measure, decide, and train if it is time."""
        now = time.time()
        self._measure(now)
        setting = load(Path(self.config["retraining"]))
        store = Store(setting.state or self.folder / "retraining.db")
        start = command(setting.start, self.folder / "runs.log", setting.folder, setting.timeout_s)
        return retrain(store, setting.rules, observe(setting, now).observation, start)

    def _measure(self, now: float) -> None:
        trained = self.folder / "trained.json"
        trained_at = json.loads(trained.read_text())["trained_at"] if trained.exists() else self._since
        values = self.config["drift"]
        seen = {
            "trained_at": trained_at,
            "labels": int((now - trained_at) * self.config["labels_hz"]),
            "measures": {"psi.tenure": values[next(self._looks) % len(values)]},
        }
        fresh = self.folder / "served.new"
        fresh.write_text(json.dumps(seen))
        fresh.replace(self.folder / "served.json")


async def main() -> None:
    """Serve and look until killed."""
    port, path = arguments()
    scheduler = Scheduler(Config(path, _DEFAULTS))
    await asyncio.gather(listen(port, scheduler.handle), scheduler.run())


if __name__ == "__main__":
    asyncio.run(main())
