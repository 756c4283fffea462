"""An experiment's file: the plan, what is expected of its metrics, and where its log is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from pydantic import ConfigDict

from plumbline.deployment import declared
from plumbline.deployment.core.durations import seconds
from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.declared import Whole
from plumbline.deployment.experiments.foresight import Expectation
from plumbline.deployment.experiments.plan import Arm, Direction, Metric, Plan
from plumbline.deployment.pipeline.closed import CLOSED, Number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    name: str
    share: Number
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metric:
    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    name: str
    kind: Literal["share", "mean"]
    better: Direction = "up"
    guardrail: bool = False
    tolerated: Number = 0.0
    within: str | Number | None = None
    before: str | None = None
    mean: Number | None = None
    deviation: Number | None = None
    detect: Number | None = None
    correlation: Number = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    experiment: str
    arms: tuple[_Arm, ...]
    metrics: tuple[_Metric, ...]
    units: Whole
    units_per_day: Number | None = None
    alpha: Number = 0.05
    least: str | Number = 0.0
    salt: str | None = None
    log: str | None = None
    sync: str | Number = 0.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment as declared.

    Args:
        plan: What is compared, on whom, by what.
        log: The file of exposures and outcomes.
        expectations: What is known of each metric before the start, by name.
        units_per_day: New units that come in a day; None when nobody said.
        sync_s: Longest time between two flushes of the log, in seconds.
    """

    plan: Plan
    log: Path
    expectations: dict[str, Expectation] = field(default_factory=dict)
    units_per_day: float | None = None
    sync_s: float = 0.0


def load(path: Path) -> Experiment:
    """Read an experiment's file; without a salt its name is one, without a log the file beside it with `.log`.

    Raises:
        InvalidError: It cannot be read or does not fit together; the sentence names file and place.
    """
    file = declared.read(path, _File)
    try:
        plan = Plan(
            file.experiment,
            tuple(Arm(one.name, one.share, one.version) for one in file.arms),
            tuple(_metric(one) for one in file.metrics),
            salt=file.experiment if file.salt is None else file.salt,
            alpha=file.alpha,
            units=file.units,
            least_s=seconds(file.least, "least"),
        )
        sync_s = seconds(file.sync, "sync")
        _positive(file.units_per_day)
    except InvalidError as error:
        raise InvalidError(f"{path}: {error.sentence}", path=str(path), **error.data) from error
    log = path.parent / file.log if file.log else path.with_suffix(".log")
    expected = {one.name: Expectation(one.mean, one.deviation, one.detect, one.correlation) for one in file.metrics}
    return Experiment(plan, log, expected, file.units_per_day, sync_s)


def _positive(units_per_day: float | None) -> None:
    if units_per_day is not None and units_per_day <= 0:
        raise InvalidError(f"units_per_day must be above 0, not {units_per_day:g}")


def _metric(one: _Metric) -> Metric:
    within = None if one.within is None else seconds(one.within, f"within of '{one.name}'")
    return Metric(one.name, one.better, one.kind, one.guardrail, one.tolerated, one.before, within)


def as_json(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON holds it."""
    found: dict[str, object] = msgspec.to_builtins(plan)
    return found
