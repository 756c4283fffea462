"""What an experiment says now: first whether it may say anything, then each metric, then what to do.

Everything here may be looked at as often as one likes: the probability of a wrong conclusion holds over all looks.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.experiments.log import Read
from plumbline.deployment.experiments.plan import Metric, Plan
from plumbline.deployment.experiments.units import Column, Units, column, units
from plumbline.deployment.statistics.cuped import adjust
from plumbline.deployment.statistics.power import detectable_difference
from plumbline.deployment.statistics.sequences import Arm, Interval, difference
from plumbline.deployment.statistics.srm import LIMIT, Balance, balance

FEW_FOR_A_PART = 200
"""Units that a part of the population needs before its balance is looked at."""

CROSSED = 0.01
"""Fraction of units in more than one arm that voids: a few come from shared devices (judgement)."""


class Advice(enum.StrEnum):
    """What to do."""

    VOID = "void"
    HARM = "stop"
    SHIP = "ship"
    NO_GAIN = "no-gain"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric of one treatment beside the control.

    Args:
        metric: As planned.
        treatment: The arm's name.
        control_mean: Of the control, per unit, before any adjustment.
        treatment_mean: Of the treatment.
        interval: Of the difference treatment minus control; None while there are too few units.
        reduction: Fraction of the variance that CUPED took away.
        detectable: Smallest difference that the planned number of units shows, in the metric's unit; None without data.
    """

    metric: Metric
    treatment: str
    control_mean: float
    treatment_mean: float
    interval: Interval | None
    reduction: float
    detectable: float | None

    @property
    def better(self) -> bool:
        """Whether the treatment surely is better than the control."""
        low = self._gain(0.0)
        return low is not None and low[0] > 0

    @property
    def worse(self) -> bool:
        """Whether it surely is worse; a guardrail: worse by more than is tolerated."""
        gain = self._gain(self.metric.tolerated if self.metric.guardrail else 0.0)
        return gain is not None and gain[1] < 0

    @property
    def safe(self) -> bool:
        """Whether it surely is not worse by more than is tolerated."""
        gain = self._gain(self.metric.tolerated)
        return gain is not None and gain[0] > 0

    def _gain(self, slack: float) -> tuple[float, float] | None:
        """Return the interval of what is gained, `slack` added; the metric's own direction is taken out."""
        if self.interval is None:
            return None
        low, high = self.interval.low, self.interval.high
        if self.metric.better == "down":
            low, high = -high, -low
        return low + slack, high + slack


@dataclass(frozen=True, slots=True)
class Analysis:
    """The whole answer.

    Args:
        advice: What to do.
        sentence: Why, in words.
        balance: Of the arms' sizes.
        parts: Balance of each part of the population that is out of balance, by `dimension=value`.
        sizes: Units per arm, in the plan's order.
        crossed: Units that met more than one arm.
        readings: One per metric and treatment.
        torn: Lines of the log that a crash cut off.
    """

    advice: Advice
    sentence: str
    balance: Balance
    parts: dict[str, Balance]
    sizes: tuple[int, ...]
    crossed: int
    readings: tuple[Reading, ...]
    torn: int


def analyse(plan: Plan, log: Read) -> Analysis:
    """Answer from what was logged so far."""
    of = units(plan, log.exposures)
    sizes = of.sizes(plan)
    whole = balance(sizes, [arm.share for arm in plan.arms])
    parts = dict(_parts(plan, of))
    readings = tuple(_readings(plan, of, log))
    advice, sentence = _advise(plan, of, whole, parts, readings)
    return Analysis(advice, sentence, whole, parts, tuple(sizes), len(of.crossed), readings, log.torn)


def _parts(plan: Plan, of: Units) -> Iterator[tuple[str, Balance]]:
    """Yield the parts of the population in which the arms are not as large as planned."""
    counts: dict[str, dict[str, int]] = {}
    for unit, arm in of.arms.items():
        for name, value in of.dimensions[unit].items():
            row = counts.setdefault(f"{name}={value}", {})
            row[arm] = row.get(arm, 0) + 1
    for part, row in sorted(counts.items()):
        if sum(row.values()) >= FEW_FOR_A_PART:
            found = balance([row.get(arm.name, 0) for arm in plan.arms], [arm.share for arm in plan.arms])
            # Each part is a look of its own: all of them together err no more often than one.
            if found.anytime_p * len(counts) < LIMIT:
                yield part, found


def _readings(plan: Plan, of: Units, log: Read) -> Iterator[Reading]:
    for metric in plan.metrics:
        found = column(plan, metric, of, log)
        for arm in plan.arms[1:]:
            yield _reading(plan, metric, arm.name, found)


def _reading(plan: Plan, metric: Metric, treatment: str, found: Column) -> Reading:
    control = plan.control.name
    raw = [found.values[control], found.values[treatment]]
    values, reduction = raw, 0.0
    if found.before is not None and min(map(len, raw)) > 1:
        adjusted = adjust(np.concatenate(raw), np.concatenate([found.before[control], found.before[treatment]]))
        values, reduction = [adjusted.values[: len(raw[0])], adjusted.values[len(raw[0]) :]], adjusted.reduction
    arms = [_arm(one) for one in values]
    alpha = plan.alpha / (len(plan.arms) - 1)  # each treatment is a chance to err
    interval = difference(arms[0], arms[1], alpha, plan.units)
    variance = (arms[0].variance + arms[1].variance) / 2
    detectable = detectable_difference(plan.units, variance, alpha, plan.units) if interval else None
    means = [float(one.mean()) if len(one) else 0.0 for one in raw]
    return Reading(metric, treatment, means[0], means[1], interval, reduction, detectable)


def _arm(values: NDArray[np.float64]) -> Arm:
    if len(values) < 2:
        return Arm(len(values), 0.0, 0.0)
    return Arm(len(values), float(values.mean()), float(values.var(ddof=1)))


def _advise(
    plan: Plan, of: Units, whole: Balance, parts: dict[str, Balance], readings: tuple[Reading, ...]
) -> tuple[Advice, str]:
    if void := _void(plan, of, whole, parts):
        return Advice.VOID, f"{void}. Whatever the metrics say, it is not the models that they compare."
    harmed = [one for one in readings if one.worse]
    if harmed:
        return Advice.HARM, f"{_said(harmed[0])}: keep {plan.control.name}."
    primary = [one for one in readings if one.metric == plan.primary]
    winners = [one for one in primary if one.better]
    unsafe = [one for one in readings if one.metric.guardrail and not one.safe]
    for winner in winners:
        waits = [one for one in unsafe if one.treatment == winner.treatment]
        if not waits:
            return Advice.SHIP, f"{_said(winner)}, and no guardrail is hurt: ship {winner.treatment}."
    if winners:
        names = ", ".join(one.metric.name for one in unsafe)
        return Advice.CONTINUE, f"{_said(winners[0])}, but it is not yet known whether {names} holds: go on."
    if len(of.arms) >= plan.units:
        return Advice.NO_GAIN, _nothing(plan, primary)
    return Advice.CONTINUE, f"Nothing is decided after {len(of.arms):,} of {plan.units:,} units: go on."


def _void(plan: Plan, of: Units, whole: Balance, parts: dict[str, Balance]) -> str | None:
    if of.strangers:
        name, count = of.strangers.most_common(1)[0]
        return f"{count:,} exposures are to an arm '{name}' that the plan does not have"
    if whole.broken:
        told = " and ".join(
            f"{got:,} in {arm.name} ({want:,.0f} planned)"
            for arm, got, want in zip(plan.arms, whole.observed, whole.expected, strict=True)
        )
        return f"The arms are not as large as planned: {told}, p = {whole.p:.2g}"
    if parts:
        part, found = next(iter(parts.items()))
        return f"Among {part} the arms are not as large as planned: {found.observed}, p = {found.p:.2g}"
    if of.crossed and len(of.crossed) > CROSSED * (len(of.arms) + len(of.crossed)):
        return f"{len(of.crossed):,} units met more than one arm: the assignment is not stable"
    return None


def _said(one: Reading) -> str:
    assert one.interval is not None  # noqa: S101 - better and worse need one
    low, high = one.interval.low, one.interval.high
    way = "better" if one.better else "worse"
    return (
        f"{one.treatment} is {way} on {one.metric.name}: {one.treatment_mean:.4g} against {one.control_mean:.4g}, "
        f"a difference between {low:+.3g} and {high:+.3g}"
    )


def _nothing(plan: Plan, primary: list[Reading]) -> str:
    seen = [one.detectable for one in primary if one.detectable is not None]
    size = f" A difference of {max(seen):.3g} or more would have been seen." if seen else ""
    done = f"No difference in {plan.primary.name} after all {plan.units:,} planned units."
    return f"{done}{size} Keep {plan.control.name}, or plan a larger experiment."
