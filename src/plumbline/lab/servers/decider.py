"""An A/A test on a page (both arms are the same page) and the script that decides it, once a day.

A day passes every `day_s`: visitors come, each is assigned, meets the page, and buys or does not. Then the script
looks, as its configuration says: `fixed` is a z-test that a winner is declared by as soon as p is below `level`, at
`least` visitors or more; `sequential` does what `plumb ab status` advises. Who comes and who buys follows from the
experiment's name, so that the same experiment has the same course each time. A new name in the experiment's file begins
anew. What it decides is shipped to everybody until it decides again: each decision is a line of `shipped.jsonl` beside
the experiment's file. `GET /` says how far it is.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path
from typing import Any

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.experiments.advice import Advice
from plumbline.deployment.experiments.analysis import analyse
from plumbline.deployment.experiments.assignment import place
from plumbline.deployment.experiments.declaration import Experiment, load
from plumbline.deployment.experiments.intake import exposure
from plumbline.deployment.experiments.log import Entry, Log, Outcome, read
from plumbline.lab.servers.http import Answer, Config, arguments, listen, log

_DEFAULTS: dict[str, Any] = {
    "experiment": "",
    "rule": "sequential",
    "level": 0.05,
    "least": 0,
    "day_s": 0.03,
    "visitors": 100,
    "buys": 0.1,
}


class Decider:
    """Page and script.

    Args:
        config: Its configuration; `experiment` is the path of the experiment's file.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.decided: str | None = None
        self.came = 0
        self._name = ""

    async def handle(self, path: str, _query: dict[str, str]) -> Answer:
        """Say how far it is."""
        if path != "/":
            return Answer(404, {"error": f"no {path}"})
        return Answer(200, {"experiment": self._name, "visitors": self.came, "decided": self.decided})

    async def run(self) -> None:
        """Let day after day pass."""
        while True:
            began = time.monotonic()
            try:
                await asyncio.to_thread(self.day)
            except DeploymentError as error:
                log(f"ERROR {error.sentence}")
            await asyncio.sleep(max(0.0, self.config["day_s"] - (time.monotonic() - began)))

    def day(self) -> None:
        """Let visitors come, look, and decide; nothing more once it is decided."""
        experiment = load(Path(self.config["experiment"]))
        if experiment.plan.name != self._name:
            self._name, self.came, self.decided = experiment.plan.name, 0, None
        if self.decided is not None:
            return
        with Log(experiment.log, sync_s=math.inf) as into:
            into.add(*self._visits(experiment))
        if self.came < self.config["least"]:
            return
        _note(experiment.log, kind="look")
        if (chosen := self._look(experiment)) is not None:
            _note(experiment.log, kind="decision", arm=chosen)
            _note(Path(self.config["experiment"]).with_name("shipped.jsonl"), experiment=self._name, arm=chosen)
            self.decided = chosen

    def _visits(self, experiment: Experiment) -> list[Entry]:
        plan, found, now = experiment.plan, list[Entry](), time.time()
        for number in range(self.came, self.came + self.config["visitors"]):
            who = f"{plan.name}-{number}"
            found.append(exposure(plan, who, now))
            if place("bought", who) < self.config["buys"]:
                found.append(Outcome(who, plan.primary.name, 1.0, now))
        self.came += self.config["visitors"]
        return found

    def _look(self, experiment: Experiment) -> str | None:
        """Return the arm that wins, None while it goes on."""
        plan = experiment.plan
        found = analyse(plan, read(experiment.log))
        if self.config["rule"] == "sequential":
            if found.advice is Advice.SHIP:
                log(f"INFO {plan.name}: day {self._days}: ship: {found.sentence}")
                return plan.treatments[0].name
            return plan.control.name if found.advice in (Advice.HARM, Advice.NO_GAIN) else None
        one = found.readings[0]
        p = z_test(one.units, (one.control_mean, one.treatment_mean))
        if p < self.config["level"]:
            better = plan.treatments[0].name if one.treatment_mean > one.control_mean else plan.control.name
            log(f"INFO {plan.name}: day {self._days}: p={p:.4f} < {self.config['level']:g}: significant, {better} wins")
            return better
        return plan.control.name if sum(one.units) >= plan.units else None

    @property
    def _days(self) -> int:
        return self.came // int(self.config["visitors"])


def z_test(sizes: tuple[int, int], shares: tuple[float, float]) -> float:
    """Return the two-sided p-value of the pooled test for two shares, as such scripts compute it."""
    pooled = sum(n * share for n, share in zip(sizes, shares, strict=True)) / max(1, sum(sizes))
    error = math.sqrt(pooled * (1 - pooled) * sum(1 / max(1, n) for n in sizes))
    return math.erfc(abs(shares[1] - shares[0]) / error / math.sqrt(2)) if error else 1.0


def _note(path: Path, **told: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**told, "at": time.time()}) + "\n")


async def main() -> None:
    """Serve and decide until killed."""
    port, path = arguments()
    decider = Decider(Config(path, _DEFAULTS))
    await asyncio.gather(listen(port, decider.handle), decider.run())


if __name__ == "__main__":
    asyncio.run(main())
