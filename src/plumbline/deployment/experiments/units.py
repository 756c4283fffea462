"""From a log to one row per unit: first exposure, what happened after it, and what was known before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.experiments.log import Exposure, Outcome, Read
from plumbline.deployment.experiments.plan import Metric, Plan


@dataclass(frozen=True, slots=True)
class Units:
    """Exposed units of an experiment.

    Args:
        arms: Name of each unit's arm, by key, in the order of first exposure.
        crossed: Keys that met more than one arm: assignment is not stable for them; they are in no arm.
        strangers: Exposures to arms that the plan does not have, by that name.
        first: Time of each unit's first exposure, by key.
        dimensions: Of the first exposure, by key.
    """

    arms: dict[str, str]
    crossed: frozenset[str]
    strangers: Counter[str]
    first: dict[str, float]
    dimensions: dict[str, dict[str, str]] = field(default_factory=dict)

    def sizes(self, plan: Plan) -> list[int]:
        """Return how many units each arm has, in the plan's order."""
        counted = Counter(self.arms.values())
        return [counted[arm.name] for arm in plan.arms]


def units(plan: Plan, exposures: Iterable[Exposure]) -> Units:
    """Return the units of an experiment; only the first exposure of each counts."""
    known = {arm.name for arm in plan.arms}
    found = Units({}, frozenset(), Counter(), {})
    crossed: set[str] = set()
    for one in sorted(exposures, key=lambda exposure: exposure.at):
        if one.arm not in known:
            found.strangers[one.arm] += 1
        elif one.unit not in found.arms:
            found.arms[one.unit], found.first[one.unit] = one.arm, one.at
            found.dimensions[one.unit] = one.dimensions
        elif found.arms[one.unit] != one.arm:
            crossed.add(one.unit)
    for unit in crossed:
        del found.arms[unit]
    return Units(found.arms, frozenset(crossed), found.strangers, found.first, found.dimensions)


@dataclass(frozen=True, slots=True)
class Column:
    """One metric, one value per unit.

    Args:
        values: By arm, `(n_units,)`.
        before: The covariate in the same order, NaN where unknown; None without one.
    """

    values: dict[str, NDArray[np.float64]]
    before: dict[str, NDArray[np.float64]] | None


def column(plan: Plan, metric: Metric, of: Units, log: Read) -> Column:
    """Return a metric per unit: outcomes after the first exposure, summed; a `share` counts a unit once.

    Who was exposed and has no outcome counts as 0: leaving them out would measure only those who answered.
    """
    after: defaultdict[str, float] = defaultdict(float)
    prior: defaultdict[str, float] = defaultdict(float)
    for one in log.outcomes:
        began = of.first.get(one.unit)
        if began is None:
            continue
        if one.metric == metric.name and one.at >= began:
            after[one.unit] += one.value
        if one.metric == metric.before and one.at < began:
            prior[one.unit] += one.value
    return Column(_by_arm(plan, of, metric, after), _covariates(plan, of, metric, prior))


def _by_arm(plan: Plan, of: Units, metric: Metric, after: dict[str, float]) -> dict[str, NDArray[np.float64]]:
    rows: dict[str, list[float]] = {arm.name: [] for arm in plan.arms}
    for unit, arm in of.arms.items():
        value = after.get(unit, 0.0)
        rows[arm].append(float(value > 0) if metric.kind == "share" else value)
    return {arm: np.asarray(values, dtype=np.float64) for arm, values in rows.items()}


def _covariates(
    plan: Plan, of: Units, metric: Metric, prior: dict[str, float]
) -> dict[str, NDArray[np.float64]] | None:
    if metric.before is None:
        return None
    rows: dict[str, list[float]] = {arm.name: [] for arm in plan.arms}
    for unit, arm in of.arms.items():
        rows[arm].append(prior.get(unit, float("nan")))
    return {arm: np.asarray(values, dtype=np.float64) for arm, values in rows.items()}


def outcomes_of(log: Read, metric: str) -> list[Outcome]:
    """Return the outcomes of one metric, in the order of the log."""
    return [one for one in log.outcomes if one.metric == metric]
