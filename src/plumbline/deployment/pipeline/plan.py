"""What a deployment is to do, as plain values: written into the journal, so that whoever resumes it does the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.pipeline.lane_use import LaneUse
from plumbline.deployment.pipeline.machine import Course
from plumbline.deployment.pipeline.parts import Approval, BlueGreen, Watch

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.declaration import Pipeline

HALF = 0.5
"""The candidate's share in a blue-green deployment while it is watched; the freshly loaded old version has the rest."""

PATIENCE = 10.0
"""How many times as long as it was meant a blue-green watch waits for enough traffic."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A share of the requests, watched.

    Args:
        share: The candidate's, above 0 and up to 0.5; the baseline gets the same.
        hold_s: Seconds that it lasts at least.
        longest_s: Seconds after which it ends as inconclusive if too little was seen.
    """

    share: float
    hold_s: float
    longest_s: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= HALF:
            raise InvalidError(
                f"a stage gives the candidate a share above 0 and up to {HALF:g}, not {self.share:g}: the baseline "
                "gets the same"
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """One deployment.

    Args:
        model: Its name in the registry.
        by: Who deploys.
        why: The reason, in words.
        alias: The alias that says what serves.
        kind: `deploy` builds and judges a candidate; `rollback` takes a version that was registered before.
        stages: Shares of the candidate, rising, each watched. None: nothing is watched, and the journal says so.
        watch: What is watched.
        approval: Whether a person has to approve after the gates, and who may.
        lane: Where it is switched, so that a resumed deployment finds the same servers.
        metrics: URLs of the servers' metrics.
        to: A rollback's target: its version.
        pipeline: Path of the pipeline's file; empty for none.
    """

    model: str
    by: str
    why: str
    alias: str = "production"
    kind: Literal["deploy", "rollback"] = "deploy"
    stages: tuple[Stage, ...] = ()
    watch: Watch = field(default_factory=Watch)
    approval: Approval = field(default_factory=Approval)
    lane: LaneUse | None = None
    metrics: tuple[str, ...] = ()
    to: str = ""
    pipeline: str = ""

    def __post_init__(self) -> None:
        if (self.kind == "rollback") != bool(self.to):
            raise InvalidError("a rollback names its target, and only a rollback does")

    def course(self, *, first: bool) -> Course:
        """Return the steps.

        Args:
            first: Whether nothing serves yet: then there is nothing to compare with, and no stage.
        """
        needed = self.approval.needed
        stages = 0 if first or self.kind == "rollback" else len(self.stages)
        return Course(stages, needed != "never", needed == "inconclusive", rollback=self.kind == "rollback")


def planned(pipeline: Pipeline, *, by: str, why: str, metrics: tuple[str, ...] = ()) -> Plan:
    """Return the plan that a pipeline's file declares; `metrics` come before the file's."""
    strategy = pipeline.strategy
    if isinstance(strategy, BlueGreen):
        held = strategy.watch_s
        stages: tuple[Stage, ...] = (Stage(HALF, held, held * PATIENCE),) if held > 0 else ()
    else:
        stages = tuple(Stage(one.share, one.hold_s, max(one.hold_s, strategy.longest_s)) for one in strategy.steps)
    return Plan(
        model=pipeline.model.name,
        by=by,
        why=why,
        stages=stages,
        watch=pipeline.watch,
        approval=pipeline.approval,
        lane=pipeline.lane,
        metrics=metrics or pipeline.lane.metrics,
        pipeline=str(pipeline.path),
    )
