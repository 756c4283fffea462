"""From a log to one row per unit: first exposure, what happened after it, and what was known before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.experiments.log import Exposure, Outcome, Read
from plumbline.deployment.experiments.plan import Metric, Plan


@dataclass(frozen=True, slots=True)
class Units:
    """Exposed units of an experiment, in the order of their first exposure.

    Args:
        rows: Row of each unit, by key.
        arms: Index of each unit's arm in the plan, `(n_units,)`.
        first: Unix time of each unit's first exposure, `(n_units,)`.
        dimensions: Of the first exposure, `(n_units,)`.
        crossed: Keys that met more than one arm: assignment is not stable for them; they are in no arm.
        strangers: Exposures to arms that the plan does not have, by that name.
    """

    rows: dict[str, int]
    arms: NDArray[np.int64]
    first: NDArray[np.float64]
    dimensions: list[dict[str, str]]
    crossed: frozenset[str]
    strangers: Counter[str]

    def __len__(self) -> int:
        return len(self.rows)

    def sizes(self, plan: Plan, at: float = np.inf) -> list[int]:
        """Return how many units each arm has at a time, in the plan's order."""
        counted = np.bincount(self.arms[self.first <= at], minlength=len(plan.arms))
        return [int(one) for one in counted]


def units(plan: Plan, exposures: Iterable[Exposure]) -> Units:
    """Return the units of an experiment; only the first exposure of each counts."""
    index = {arm.name: number for number, arm in enumerate(plan.arms)}
    strangers: Counter[str] = Counter()
    firsts: dict[str, Exposure] = {}
    crossed: set[str] = set()
    for one in sorted(exposures, key=lambda exposure: exposure.at):
        if one.arm not in index:
            strangers[one.arm] += 1
        elif firsts.setdefault(one.unit, one).arm != one.arm:
            crossed.add(one.unit)
    kept = [one for one in firsts.values() if one.unit not in crossed]
    return Units(
        {one.unit: row for row, one in enumerate(kept)},
        np.asarray([index[one.arm] for one in kept], dtype=np.int64),
        np.asarray([one.at for one in kept], dtype=np.float64),
        [one.dimensions for one in kept],
        frozenset(crossed),
        strangers,
    )


@dataclass(frozen=True, slots=True)
class Column:
    """One metric as it happened; may be asked for any moment.

    Args:
        metric: As planned.
        of: The units.
        row: Unit of each outcome after its exposure, `(n_outcomes,)`.
        at: Unix time of each outcome.
        value: Of each outcome.
        before: The covariate of each unit, NaN where unknown, `(n_units,)`; None without one.
    """

    metric: Metric
    of: Units
    row: NDArray[np.int64]
    at: NDArray[np.float64]
    value: NDArray[np.float64]
    before: NDArray[np.float64] | None

    def mature(self, at: float) -> NDArray[np.bool_]:
        """Return which units had all the time that the metric gives them, `(n_units,)`."""
        return self.of.first + (self.metric.within_s or 0.0) <= at

    def values(self, at: float) -> NDArray[np.float64]:
        """Return each unit's value as known at a time, `(n_units,)`; a `share` counts a unit once.

        Who was exposed and has no outcome counts as 0: leaving them out would measure only those who answered.
        """
        counted = self.at <= at
        if self.metric.within_s is not None:
            counted &= self.at <= self.of.first[self.row] + self.metric.within_s
        sums = np.bincount(self.row[counted], self.value[counted], minlength=len(self.of))
        return (sums > 0).astype(np.float64) if self.metric.kind == "share" else sums.astype(np.float64)


def column(metric: Metric, of: Units, log: Read) -> Column:
    """Return a metric's outcomes after each unit's first exposure, and its covariate from before."""
    row, at, value = _outcomes(of, log.outcomes, metric.name)
    after = at >= of.first[row]
    before = _covariate(of, log.outcomes, metric.before) if metric.before else None
    return Column(metric, of, row[after], at[after], value[after], before)


def _outcomes(
    of: Units, outcomes: Iterable[Outcome], name: str
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    found = [(of.rows[one.unit], one.at, one.value) for one in outcomes if one.metric == name and one.unit in of.rows]
    table = np.asarray(found, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2]


def _covariate(of: Units, outcomes: Iterable[Outcome], name: str) -> NDArray[np.float64]:
    row, at, value = _outcomes(of, outcomes, name)
    prior = at < of.first[row]
    known = np.bincount(row[prior], minlength=len(of)) > 0
    return np.where(known, np.bincount(row[prior], value[prior], minlength=len(of)), np.nan)
