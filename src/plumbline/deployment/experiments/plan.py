"""An experiment as it is written down before it starts: what is compared, on whom, and what would count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from plumbline.deployment.core.errors import InvalidError

Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of the experiment.

    Args:
        name: `control`, `treatment`; the first arm of an experiment is the one that the others are compared with.
        share: Fraction of all units, above 0.
        version: The model version that answers, if the arms differ by it.
    """

    name: str
    share: float
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured per unit.

    Args:
        name: As in the log of outcomes.
        better: Which way is better.
        kind: `share`: a unit either did it or not; `mean`: the sum of a unit's values.
        guardrail: Whether it only must not get worse.
        tolerated: By how much a guardrail may get worse before it counts, in the metric's own unit, above 0
            (the margin of non-inferiority).
        before: Name of an outcome logged before the unit's first exposure, for less noise (CUPED).
        within_s: How long after its first exposure a unit's outcomes count, in seconds; only units that had all that
            time are looked at. None: at once, for what is known with the exposure (a latency); what people do later
            needs a window, else a unit's value changes after it was looked at and the interval promises too much.
    """

    name: str
    better: Direction = "up"
    kind: Literal["share", "mean"] = "share"
    guardrail: bool = False
    tolerated: float = 0.0
    before: str | None = None
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole experiment; `salt` and shares are part of it, so that a restart assigns the same.

    Args:
        name: Lower case, digits, `-`.
        arms: Two or more; shares add up to 1.
        metrics: One that is no guardrail at least: the first of those decides.
        salt: Makes assignments of different experiments independent; written once, never changed.
        alpha: Probability of a wrong conclusion on a metric, over all looks.
        units: How many are expected in all: the interval is narrowest there.
        least_s: Time before anything is shipped, in seconds: a week, where weekdays differ. Harm stops at once.

    Raises:
        InvalidError: Shares, names or metrics do not fit together.
    """

    name: str
    arms: tuple[Arm, ...]
    metrics: tuple[Metric, ...]
    salt: str
    alpha: float = 0.05
    units: int = 10_000
    least_s: float = 0.0

    def __post_init__(self) -> None:
        self._arms()
        self._metrics()
        if not 0 < self.alpha < 1:
            raise InvalidError(f"experiment '{self.name}': alpha is a probability of error, not {self.alpha:g}")
        if self.units < 2:
            raise InvalidError(f"experiment '{self.name}' expects {self.units} units: two arms want more")

    def _arms(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(names) < 2 or len(set(names)) < len(names):
            raise InvalidError(f"experiment '{self.name}' has arms {names}: expected two or more, each name once")
        total = sum(arm.share for arm in self.arms)
        if min(arm.share for arm in self.arms) <= 0 or abs(total - 1) > 1e-9:
            raise InvalidError(f"experiment '{self.name}': shares must be above 0 and add up to 1, not {total:g}")
        if not self.salt:
            raise InvalidError(f"experiment '{self.name}' has no salt: without one its arms are those of any other")

    def _metrics(self) -> None:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            raise InvalidError(f"experiment '{self.name}' names a metric twice: {names}")
        if all(metric.guardrail for metric in self.metrics):
            raise InvalidError(
                f"experiment '{self.name}' has no metric to decide by: all are guardrails, or none is there"
            )
        for metric in self.metrics:
            if metric.tolerated < 0:
                raise InvalidError(f"metric '{metric.name}' tolerates {metric.tolerated:g}: name a size, at least 0")
            if metric.guardrail and metric.tolerated == 0:
                raise InvalidError(
                    f"guardrail '{metric.name}' tolerates nothing: that no harm at all was done cannot be shown by any "
                    "number of units; say in `tolerated` how much worse would still be no harm"
                )

    @property
    def treatments(self) -> tuple[Arm, ...]:
        """The arms that are compared with the control."""
        return self.arms[1:]

    @property
    def control(self) -> Arm:
        """The arm that the others are compared with."""
        return self.arms[0]

    @property
    def primary(self) -> Metric:
        """The metric that decides."""
        return next(metric for metric in self.metrics if not metric.guardrail)
