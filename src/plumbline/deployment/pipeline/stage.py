"""One stage: the candidate has its share, and is watched until something is shown or the time is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline import approvals, watching
from plumbline.deployment.pipeline.machine import Result
from plumbline.deployment.pipeline.outlook import outlook
from plumbline.deployment.pipeline.plan import Plan
from plumbline.deployment.pipeline.ports import Reading, Source
from plumbline.deployment.pipeline.steps import Ended
from plumbline.deployment.pipeline.world import Moment, World

WATCH = "watch"
"""Name under which an inconclusive watch may be overridden."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Who is compared.

    Args:
        candidate: Its digest.
        baseline: Digest or name of the copy.
        share: Probability that a request of the two went to the candidate.
    """

    candidate: str
    baseline: str
    share: float


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stage began; journalled, so that whoever goes on counts from there.

    Args:
        at: Unix time in seconds.
        counts: What both sides had counted by then.
    """

    at: float
    counts: Mapping[str, Reading] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """Return what the journal holds; infinity, which JSON has not, is written as text."""
        plain = msgspec.to_builtins(self)
        for reading in plain["counts"].values():
            for name in ("latency", "scores"):
                reading[name] = [[str(bound), count] for bound, count in reading[name]]
        return {"start": plain}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Start:
        """Return what the journal held."""
        return msgspec.convert(data, cls, strict=False)


@dataclass(frozen=True, slots=True)
class Watching:
    """Watches one stage.

    Args:
        plan: Of the deployment.
        number: Of the stage, from 0.
        sides: Who is compared.
        source: Counts.
        clock: Unix time in seconds.
        pause: Waits, in seconds.
        stopped: Asks at every look whether somebody wants it to end, and whether the lease is still held.
    """

    plan: Plan
    number: int
    sides: Sides
    source: Source
    clock: Callable[[], float]
    pause: Callable[[float], None]
    stopped: Callable[[], approvals.Grant | None]

    def begin(self) -> Start:
        """Read where both sides stand. What cannot be read now is counted from 0: too much, for both sides alike."""
        return Start(self.clock(), self.source.read((self.sides.candidate, self.sides.baseline)))

    def watch(self, world: World, start: Start, overridden: approvals.Grant | None) -> Ended:
        """Look until harm is shown, the time is up, or somebody stops it."""
        stage, said, foretold = self.plan.stages[self.number], "", None
        while True:
            grant = self.stopped()
            if grant is not None:
                return Ended(Result.ABORTED, f"stopped by {grant.by}: {grant.why}", {})
            passed_s = max(self.clock() - start.at, 0.0)
            look = self._look(start)
            if foretold is None and passed_s > 0 and sum(look.requests) >= self.plan.watch.least:
                foretold = self._foretell(look, passed_s)
                world.listen(Moment(f"watch:{self.number}", "told", foretold))
            if look.sentence != said:
                said = look.sentence
                world.listen(Moment(f"watch:{self.number}", "told", said, watching.as_data(look)))
            if look.outcome is Outcome.FAIL or passed_s >= stage.longest_s or (
                look.outcome is Outcome.PASS and passed_s >= stage.hold_s
            ):  # fmt: skip
                return self._ended(look, overridden, foretold)
            self.pause(self.plan.watch.every_s)

    def _look(self, start: Start) -> watching.Look:
        sides = self.sides
        try:
            now = self.source.read((sides.candidate, sides.baseline))
        except DeploymentError as error:
            return watching.Look(Outcome.INCONCLUSIVE, error.sentence, (0, 0))
        new, old = (
            watching.since(now.get(name, Reading()), start.counts.get(name, Reading()))
            for name in (sides.candidate, sides.baseline)
        )
        return watching.look(self.plan.watch, new, old, sides.share, len(self.plan.stages))

    def _foretell(self, look: watching.Look, passed_s: float) -> str:
        stage, (new, old) = self.plan.stages[self.number], look.requests
        errors = look.guards.get("errors", {}).get("baseline", 0)
        per_s, rate = (new + old) / passed_s, errors / old if old else 0.0
        return outlook(
            self.plan.watch, stage.hold_s, per_s, rate, self.sides.share, len(self.plan.stages)
        ).sentence  # fmt: skip

    def _ended(self, look: watching.Look, overridden: approvals.Grant | None, foretold: str | None) -> Ended:
        data: dict[str, Any] = {"look": watching.as_data(look)}
        if foretold is not None:
            data["outlook"] = foretold
        if look.outcome is Outcome.PASS:
            return Ended(Result.OK, look.sentence, data)
        if look.outcome is Outcome.FAIL:
            return Ended(Result.FAIL, look.sentence, data)
        if overridden is not None:
            data["overridden"] = approvals.as_data({WATCH: overridden})
            return Ended(Result.OVERRIDDEN, f"{look.sentence}; overridden by {overridden.by}: {overridden.why}", data)
        return Ended(Result.INCONCLUSIVE, look.sentence, data)
