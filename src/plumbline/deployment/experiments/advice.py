"""What to do, in one word and one sentence: ship, stop for harm, keep running, keep the control, or: cannot tell."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from plumbline.deployment.core.durations import told as lasted
from plumbline.deployment.experiments.guardrails import Standing, standing, told
from plumbline.deployment.experiments.plan import Plan
from plumbline.deployment.experiments.readings import Reading


class Advice(enum.StrEnum):
    """What to do."""

    VOID = "void"
    HARM = "stop"
    SHIP = "ship"
    NO_GAIN = "no-gain"
    CONTINUE = "continue"
    UNCLEAR = "cannot-tell"

    @property
    def headline(self) -> str:
        """The advice as a heading."""
        return _HEADLINES[self]


_HEADLINES = {
    Advice.VOID: "Cannot tell: the experiment is void",
    Advice.HARM: "Stop: harm",
    Advice.SHIP: "Ship",
    Advice.NO_GAIN: "No gain: keep the control",
    Advice.CONTINUE: "Keep running",
    Advice.UNCLEAR: "Cannot tell",
}


@dataclass(frozen=True, slots=True)
class _Case:
    """One treatment: its metric that decides, and what guards."""

    primary: Reading
    guards: tuple[Reading, ...]

    @property
    def harm(self) -> Reading | None:
        looked = (*self.guards, self.primary)
        return next((one for one in looked if standing(one) is Standing.HURT), None)

    @property
    def open(self) -> str:
        return ", ".join(one.metric.name for one in self.guards if standing(one) is not Standing.HOLDS)


def advise(plan: Plan, readings: tuple[Reading, ...], ran_s: float) -> tuple[Advice, str]:
    """Return what to do and why.

    Args:
        plan: The experiment.
        readings: One per metric and treatment, of an experiment that is not void.
        ran_s: Time since the first exposure, in seconds.
    """
    cases = [_case(plan, arm.name, readings) for arm in plan.treatments]
    harmed = [case for case in cases if case.harm]
    winners = [case for case in cases if case.primary.better and not case.harm]
    ready = [case for case in winners if not case.open]
    if ready and ran_s >= plan.least_s:
        best = max(ready, key=lambda case: case.primary.gain or (0.0, 0.0))
        guarded = ", and every guardrail holds" if best.guards else ""
        return Advice.SHIP, f"{told(best.primary)}{guarded}: ship {best.primary.treatment}."
    if harmed:
        return Advice.HARM, _harm(plan, harmed)
    done = min(sum(case.primary.units) for case in cases) >= _wanted(plan)
    if ready:
        left = lasted(plan.least_s - ran_s)
        return (
            Advice.CONTINUE,
            f"{told(ready[0].primary)}. Go on for another {left}: the plan's least time is not over.",
        )
    if winners:
        return _unguarded(plan, winners[0], done=done)
    if done:
        return _nothing(plan, cases)
    seen, want = sum(cases[0].primary.units), plan.units
    whom = f"of {want:,} units" if len(cases) == 1 else f"units of this pair; {want:,} are planned in all arms"
    over = "" if plan.primary.within_s is None else f" that had their {lasted(plan.primary.within_s)}"
    return Advice.CONTINUE, f"Nothing is decided after {seen:,} {whom}{over}: go on."


def _case(plan: Plan, treatment: str, readings: tuple[Reading, ...]) -> _Case:
    mine = [one for one in readings if one.treatment == treatment]
    primary = next(one for one in mine if one.metric == plan.primary)
    return _Case(primary, tuple(one for one in mine if one.metric.guardrail))


def _wanted(plan: Plan) -> float:
    """Return the units of the smallest pair when all planned ones are there; chance may hold back a few."""
    smallest = min(plan.control.share + arm.share for arm in plan.treatments)
    return plan.units * smallest * (1.0 if len(plan.treatments) == 1 else 0.98)


def _harm(plan: Plan, harmed: list[_Case]) -> str:
    case = harmed[0]
    assert case.harm is not None  # noqa: S101 - that is how they were chosen
    rest = len(plan.treatments) - len(harmed)
    others = (
        "" if not rest else f" What is left of the arms ({rest} beside the control) wants an experiment of its own."
    )
    return f"{told(case.harm)}: take {case.primary.treatment} away, keep {plan.control.name}.{others}"


def _unguarded(plan: Plan, winner: _Case, *, done: bool) -> tuple[Advice, str]:
    if not done:
        return Advice.CONTINUE, f"{told(winner.primary)}, but it is not yet known whether {winner.open} holds: go on."
    return Advice.UNCLEAR, (
        f"{told(winner.primary)}, but after all {plan.units:,} planned units harm to {winner.open} is not ruled out: "
        "decide whether a larger change for the worse is tolerable, and plan a larger experiment."
    )


def _nothing(plan: Plan, cases: list[_Case]) -> tuple[Advice, str]:
    seen = [case.primary.detectable for case in cases if case.primary.detectable is not None]
    if not seen:
        return Advice.UNCLEAR, f"All {plan.units:,} planned units are there, and too few in one arm: plan more units."
    return Advice.NO_GAIN, (
        f"No difference in {plan.primary.name} shows after all {plan.units:,} planned units; one of {max(seen):.3g} "
        f"would have shown with a probability of 80 %. Keep {plan.control.name}, or plan a larger experiment."
    )
