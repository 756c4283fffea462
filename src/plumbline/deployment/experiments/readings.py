"""One metric of one treatment beside the control, as known at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.experiments.foresight import alpha_of_pair, detectable, units_of_pair
from plumbline.deployment.experiments.plan import Arm, Metric, Plan
from plumbline.deployment.experiments.units import Column
from plumbline.deployment.statistics import sequences
from plumbline.deployment.statistics.cuped import adjust
from plumbline.deployment.statistics.sequences import Interval, difference


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric of one treatment beside the control.

    Args:
        metric: As planned.
        treatment: The arm's name.
        units: In the control and in the treatment; only those that had all the time that the metric gives them.
        control_mean: Of the control, per unit, before any adjustment.
        treatment_mean: Of the treatment.
        interval: Of the difference treatment minus control; None while there are too few units.
        reduction: Fraction of the variance that CUPED took away.
        detectable: Smallest difference that the planned number of units shows, in the metric's unit; None without data.
    """

    metric: Metric
    treatment: str
    units: tuple[int, int]
    control_mean: float
    treatment_mean: float
    interval: Interval | None
    reduction: float
    detectable: float | None

    @property
    def gain(self) -> tuple[float, float] | None:
        """The interval of what is gained: the metric's own direction is taken out. None without an interval."""
        if self.interval is None:
            return None
        low, high = self.interval.low, self.interval.high
        return (-high, -low) if self.metric.better == "down" else (low, high)

    @property
    def better(self) -> bool:
        """Whether the treatment surely is better than the control."""
        return self.gain is not None and self.gain[0] > 0

    @property
    def worse(self) -> bool:
        """Whether it surely is worse."""
        return self.gain is not None and self.gain[1] < 0


def read(plan: Plan, column: Column, at: float) -> Iterator[Reading]:
    """Yield a reading for each treatment."""
    mature, values = column.mature(at), column.values(at)
    for number, arm in enumerate(plan.treatments, 1):
        sides = mature & (column.of.arms == 0), mature & (column.of.arms == number)
        yield _reading(plan, arm, column, values, sides)


def _reading(
    plan: Plan,
    arm: Arm,
    column: Column,
    values: NDArray[np.float64],
    sides: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> Reading:
    raw = [values[side] for side in sides]
    sizes = (len(raw[0]), len(raw[1]))
    used, reduction = raw, 0.0
    if column.before is not None and min(sizes) > 1:
        adjusted = adjust(np.concatenate(raw), np.concatenate([column.before[side] for side in sides]))
        used, reduction = [adjusted.values[: sizes[0]], adjusted.values[sizes[0] :]], adjusted.reduction
    arms = [_arm(one) for one in used]
    interval = difference(arms[0], arms[1], alpha_of_pair(plan), units_of_pair(plan, arm))
    variance = (arms[0].variance + arms[1].variance) / 2
    means = [float(one.mean()) if len(one) else 0.0 for one in raw]
    seen = detectable(plan, arm, variance) if interval else None
    return Reading(column.metric, arm.name, sizes, means[0], means[1], interval, reduction, seen)


def _arm(values: NDArray[np.float64]) -> sequences.Arm:
    if len(values) < 2:
        return sequences.Arm(len(values), 0.0, 0.0)
    return sequences.Arm(len(values), float(values.mean()), float(values.var(ddof=1)))
