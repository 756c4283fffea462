"""What the experiment will be able to see, said before it starts; and how many units it would need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.experiments.plan import Arm, Metric, Plan
from plumbline.deployment.statistics.power import detectable_difference, needed_observations
from plumbline.deployment.statistics.sequences import LEAST


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is known of a metric before the start, from history.

    Args:
        mean: Of the control, per unit; for a `share` between 0 and 1.
        deviation: Standard deviation per unit; a `share` has its own.
        detect: Smallest difference worth knowing, in the metric's unit; a guardrail's is what it tolerates.
        correlation: Between the metric and its covariate (`before`), from -1 to 1: CUPED takes its square away.
    """

    mean: float | None = None
    deviation: float | None = None
    detect: float | None = None
    correlation: float = 0.0

    def variance(self, metric: Metric) -> float | None:
        """Return the variance per unit after CUPED, or None where too little is known.

        Raises:
            InvalidError: A share that is none, or a correlation beyond 1.
        """
        if not -1 <= self.correlation <= 1:
            raise InvalidError(f"metric '{metric.name}': a correlation lies between -1 and 1, not {self.correlation:g}")
        if metric.kind == "share" and self.mean is not None:
            if not 0 < self.mean < 1:
                raise InvalidError(f"metric '{metric.name}' is a share: expected between 0 and 1, not {self.mean:g}")
            raw = self.mean * (1 - self.mean)
        elif self.deviation is not None:
            raw = self.deviation**2
        else:
            return None
        return raw * (1 - self.correlation**2)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one metric of one treatment will show.

    Args:
        metric: As planned.
        treatment: The arm's name.
        detectable: Smallest difference that the planned units show with a probability of 80 %; None when unknown.
        wanted: Difference that is to be seen; None when none was named.
        needed: Units in all arms that show it; None when unknown.
    """

    metric: Metric
    treatment: str
    detectable: float | None
    wanted: float | None
    needed: int | None


def share_of_pair(plan: Plan, treatment: Arm) -> float:
    """Return the fraction of all units that are in the control or this treatment."""
    return plan.control.share + treatment.share


def units_of_pair(plan: Plan, treatment: Arm) -> int:
    """Return how many units the comparison will have: the interval is tuned for them."""
    return max(2, round(plan.units * share_of_pair(plan, treatment)))


def alpha_of_pair(plan: Plan) -> float:
    """Return the level of one comparison: each treatment is a chance to err."""
    return plan.alpha / len(plan.treatments)


def detectable(plan: Plan, treatment: Arm, variance: float) -> float:
    """Return the smallest difference that all planned units show with a probability of 80 %."""
    count = units_of_pair(plan, treatment)
    return detectable_difference(count, variance * _unevenness(plan, treatment), alpha_of_pair(plan), count)


def needed(plan: Plan, treatment: Arm, variance: float, difference: float) -> int:
    """Return how many units in all arms together show a difference with a probability of 80 %."""
    pair = needed_observations(difference, variance * _unevenness(plan, treatment), alpha_of_pair(plan))
    smaller = min(plan.control.share, treatment.share)
    return max(math.ceil(pair / share_of_pair(plan, treatment)), math.ceil(LEAST / smaller))


def _unevenness(plan: Plan, treatment: Arm) -> float:
    """Return by what a pair of arms of different size is noisier than one cut in halves."""
    one, other = plan.control.share, treatment.share
    return (one + other) ** 2 / (4 * one * other)


def foresee(plan: Plan, expectations: Mapping[str, Expectation]) -> list[Forecast]:
    """Return what each metric will show, by the metric's name in `expectations`."""
    found = []
    for metric in plan.metrics:
        expected = expectations.get(metric.name, Expectation())
        variance = expected.variance(metric)
        wanted = metric.tolerated if metric.guardrail else expected.detect
        for arm in plan.treatments:
            seen = None if variance is None else detectable(plan, arm, variance)
            want = None if variance is None or wanted is None else needed(plan, arm, variance, wanted)
            found.append(Forecast(metric, arm.name, seen, wanted, want))
    return found


def enough(plan: Plan, forecasts: list[Forecast]) -> tuple[bool | None, str]:
    """Return whether the planned units suffice (None: unknown), and say so."""
    asked = [one for one in forecasts if one.needed is not None]
    blind = sorted({one.metric.name for one in forecasts if one.needed is None})
    rest = (
        f" Nothing can be said of {', '.join(blind)}: name what is expected, and what is to be seen." if blind else ""
    )
    if not asked:
        return None, rest.strip()
    worst = max(asked, key=lambda one: one.needed or 0)
    sized = f"{plan.units:,} units"
    if (worst.needed or 0) <= plan.units:
        return True, f"{sized} are enough: {worst.metric.name} asks for most, {worst.needed:,}.{rest}"
    sight = f"with {sized} only differences from {worst.detectable:.3g} on show"
    return False, (
        f"{sized} are too few: to see {worst.wanted:g} in {worst.metric.name} takes {worst.needed:,}; {sight}.{rest}"
    )
