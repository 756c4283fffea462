"""A rollout as many write it: give the candidate a share, look at its errors, and call it healthy if there are few.

Its configuration names the candidate (an alias of the registry; empty: no rollout), its `share`, how many errors are
`tolerated` (a fraction), how many requests it must have answered to be judged (`at_least`), and how long it bakes
before it gets everything (`bake_s`). Each look is a line of the log, and the last one is in `verdict.json`.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.registry.store import Registry
from plumbline.deployment.serving.admin import ask
from plumbline.lab.churn import MODEL
from plumbline.lab.servers.http import Answer, Config, arguments, listen, log

_DEFAULTS: dict[str, Any] = {
    "admin": "",
    "registry": "",
    "candidate": "",
    "share": 0.5,
    "tolerated": 0.05,
    "at_least": 0,
    "bake_s": 3600,
    "every_s": 0.3,
}


class Rollout:
    """The rollout.

    Args:
        config: Its configuration.
        folder: Where the last verdict is written.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.verdict: dict[str, Any] = {}
        self._digest: str | None = None
        self._began = 0.0

    async def handle(self, path: str, _query: dict[str, str]) -> Answer:
        """Say the last verdict."""
        return Answer(200, self.verdict) if path == "/" else Answer(404, {"error": f"no {path}"})

    async def run(self) -> None:
        """Look again and again."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except (DeploymentError, OSError) as error:
                log(f"ERROR {error}")
            await asyncio.sleep(self.config["every_s"])

    def look(self) -> None:
        """Begin if that is wanted, split as declared, and judge."""
        if not self.config["candidate"]:
            return
        if self._digest is None:
            with Registry.open(self.config["registry"], read_only=True) as registry:
                self._digest = registry.get(MODEL, self.config["candidate"]).digest
            self._began = time.monotonic()
        status = ask(Path(self.config["admin"]), {"verb": "status"})
        self._split(status, self._digest)
        self._judge(*counts(status["metrics"], self._digest))

    def _split(self, status: dict[str, Any], digest: str) -> None:
        share = 1.0 if self.verdict.get("promoted") else float(self.config["share"])
        if status["shares"].get(digest) == share:
            return
        self._tell(verb="prepare", digest=digest, epoch=status["epoch"])
        others = [name for name in status["shares"] if name != digest]
        shares = {digest: share} | ({others[0]: 1 - share} if others and share < 1 else {})
        self._tell(verb="share", shares=shares, epoch=status["epoch"])

    def _tell(self, **command: Any) -> None:
        ask(Path(self.config["admin"]), command)

    def _judge(self, requests: int, errors: int) -> None:
        rate = errors / requests if requests else 0.0
        if requests < self.config["at_least"]:
            said = "inconclusive"
        else:
            said = "healthy" if rate <= self.config["tolerated"] else "failed"
        promoted = said == "healthy" and time.monotonic() - self._began >= self.config["bake_s"]
        self.verdict = {"said": said, "requests": requests, "errors": errors, "promoted": promoted}
        log(f"INFO canary {said}: {errors} errors in {requests} requests (tolerated {self.config['tolerated']:.0%})")
        fresh = self.folder / "verdict.new"
        fresh.write_text(json.dumps(self.verdict))
        fresh.replace(self.folder / "verdict.json")


def counts(url: str, digest: str) -> tuple[int, int]:
    """Return requests and errors of a version, by its digest, from a server's metrics."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the address is the server's own
        page = answer.read().decode()
    short, requests, errors = digest.removeprefix("sha256:")[:12], 0, 0
    for family in text_string_to_metric_families(page):
        for one in family.samples:
            if one.name == "plumbline_model_requests_total" and one.labels["version"].endswith(short):
                requests += int(one.value)
                errors += int(one.value) if one.labels["outcome"] != "ok" else 0
    return requests, errors


async def main() -> None:
    """Serve and look until killed."""
    port, path = arguments()
    rollout = Rollout(Config(path, _DEFAULTS), path.parent)
    await asyncio.gather(listen(port, rollout.handle), rollout.run())


if __name__ == "__main__":
    asyncio.run(main())
