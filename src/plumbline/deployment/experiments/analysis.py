"""What an experiment says now: first whether it may say anything, then each metric, then what to do.

Everything here may be looked at as often as one likes: the probability of a wrong conclusion holds over all looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.deployment.experiments.advice import Advice, advise
from plumbline.deployment.experiments.log import Read
from plumbline.deployment.experiments.plan import Plan
from plumbline.deployment.experiments.readings import Reading, read
from plumbline.deployment.experiments.units import Column, Units, column, units
from plumbline.deployment.statistics.srm import LIMIT, Balance, balance

FEW_FOR_A_PART = 200
"""Units that a part of the population needs before its balance is looked at."""

CROSSED = 0.01
"""Fraction of units in more than one arm that voids: a few come from shared devices (judgement)."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """The whole answer.

    Args:
        advice: What to do.
        sentence: Why, in words.
        at: Unix time up to which the log was read; None of an empty one.
        balance: Of the arms' sizes.
        parts: Balance of each part of the population that is out of balance, by `dimension=value`.
        sizes: Units per arm, in the plan's order.
        crossed: Units that met more than one arm.
        readings: One per metric and treatment; none of a void experiment: it has nothing to say.
        torn: Lines of the log that a crash cut off.
    """

    advice: Advice
    sentence: str
    at: float | None
    balance: Balance
    parts: dict[str, Balance]
    sizes: tuple[int, ...]
    crossed: int
    readings: tuple[Reading, ...]
    torn: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """A log made ready to be asked about any moment.

    Args:
        plan: The experiment.
        of: Its units.
        columns: Its metrics, in the plan's order.
        ends_at: Unix time of the last entry; None of an empty log.
        torn: Lines that a crash cut off.
    """

    plan: Plan
    of: Units
    columns: tuple[Column, ...]
    ends_at: float | None
    torn: int

    def readings(self, at: float) -> tuple[Reading, ...]:
        """Return what each metric says at a time."""
        return tuple(one for each in self.columns for one in read(self.plan, each, at))

    def balance(self, at: float) -> Balance:
        """Return whether the arms were as large as planned at a time."""
        return balance(self.of.sizes(self.plan, at), [arm.share for arm in self.plan.arms])


def compiled(plan: Plan, log: Read) -> Compiled:
    """Sort a log by unit and metric."""
    of = units(plan, log.exposures)
    times = [one.at for one in log.exposures] + [one.at for one in log.outcomes]
    return Compiled(
        plan, of, tuple(column(metric, of, log) for metric in plan.metrics), max(times, default=None), log.torn
    )


def analyse(plan: Plan, log: Read | Compiled, now: float | None = None) -> Analysis:
    """Answer from what was logged.

    Args:
        plan: The experiment.
        log: Its log, as read or compiled already.
        now: Unix time of the look; the log's last entry by default.
    """
    known = log if isinstance(log, Compiled) else compiled(plan, log)
    at = known.ends_at if now is None else now
    until = float("inf") if at is None else at
    whole, parts = known.balance(until), dict(uneven_parts(plan, known.of))
    sizes, crossed = whole.observed, len(known.of.crossed)
    if void := _void(plan, known.of, whole, parts):
        sentence = f"{void}. Whatever the metrics say, it is not the models that they compare."
        return Analysis(Advice.VOID, sentence, at, whole, parts, sizes, crossed, (), known.torn)
    readings = known.readings(until)
    began = float(known.of.first.min()) if len(known.of) else until
    advice, sentence = advise(plan, readings, until - began if len(known.of) else 0.0)
    if whole.suspect and advice in (Advice.SHIP, Advice.NO_GAIN):
        advice, sentence = Advice.UNCLEAR, _suspicion(plan, whole)
    return Analysis(advice, sentence, at, whole, parts, sizes, crossed, readings, known.torn)


def uneven_parts(plan: Plan, of: Units) -> Iterator[tuple[str, Balance]]:
    """Yield the parts of the population in which the arms are not as large as planned."""
    counts: dict[str, list[int]] = {}
    for arm, dimensions in zip(of.arms, of.dimensions, strict=True):
        for name, value in dimensions.items():
            counts.setdefault(f"{name}={value}", [0] * len(plan.arms))[arm] += 1
    for part, row in sorted(counts.items()):
        if sum(row) >= FEW_FOR_A_PART:
            found = balance(row, [arm.share for arm in plan.arms])
            # Each part is a look of its own: all of them together err no more often than one.
            if found.anytime_p * len(counts) < LIMIT:
                yield part, found


def _void(plan: Plan, of: Units, whole: Balance, parts: dict[str, Balance]) -> str | None:
    if of.strangers:
        name, count = of.strangers.most_common(1)[0]
        return f"{count:,} exposures are to an arm '{name}' that the plan does not have"
    if whole.broken:
        return f"The arms are not as large as planned: {_sizes(plan, whole)}"
    if parts:
        part, found = next(iter(parts.items()))
        return f"Among {part} the arms are not as large as planned: {_sizes(plan, found)}"
    if of.crossed and len(of.crossed) > CROSSED * (len(of) + len(of.crossed)):
        return f"{len(of.crossed):,} units met more than one arm: the assignment is not stable"
    return None


def _suspicion(plan: Plan, whole: Balance) -> str:
    told = " and ".join(f"{got:,} in {arm.name}" for arm, got in zip(plan.arms, whole.observed, strict=True))
    return (
        f"The arms look uneven: {told}, which at a single look chance does once in {1 / whole.p:,.0f} experiments. "
        "Find out whether exposures are lost or doubled before you believe any effect."
    )


def _sizes(plan: Plan, found: Balance) -> str:
    told = " and ".join(
        f"{got:,} in {arm.name} ({want:,.0f} planned)"
        for arm, got, want in zip(plan.arms, found.observed, found.expected, strict=True)
    )
    return f"{told}; by chance that happens at most once in {_times(found.anytime_p)}"


def _times(p: float) -> str:
    return f"{1 / p:,.0f} experiments" if p > 1e-6 else "more than a million experiments"
