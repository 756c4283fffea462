#!/usr/bin/env -S plumb run
"""Was an experiment stopped at the first significant look?

A p-value of a test that was made for one look is below 0.05 sooner or later. So each look is replayed, up to the
decision: what did the fixed-horizon test say, and what could be concluded, however often somebody had looked?
"""

from plumbline.deployment.evidence_peeking import Peeks
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown

EARLY = Threshold(
    1, "1", "by definition: a fixed-horizon test is for the planned size", "of the planned units, at least"
)
LATE = Threshold(1.1, "1", "judgement: the last day brings some more than planned", "of the planned units, at most")
IMPACT = (
    "The winner may have won by chance: what is shipped for it does nothing, or harm, and the next tests build on it."
)
CURES = {
    "stopped-at-first-crossing": "Take it back, or go on to the planned size; decide by a rule for every look.",
    "ran-until-crossing": "Begin anew with a larger planned size; do not add units until the p-value is right.",
    "decided-without-evidence": "Name what it was decided on; go on to the planned size, or keep the control.",
}


@diagnostic(timeout_s=40)
def peeking(peeks: Peeks) -> Finding:
    """Hold the decision against what was known when it was taken."""
    reached = Measure("reached", peeks.units / peeks.planned if peeks.planned else 0.0, "1", EARLY)
    level = Threshold(peeks.alpha, "1", "the experiment's plan", "level of the test")
    p, crossed = Measure("p", peeks.p, "1", level), Measure("crossed", peeks.crossed, "{look}")
    alarms = Measure("alarms", peeks.alarms, "1", level)
    numbers = (reached, p, crossed, alarms)
    if not peeks.units:
        return unknown(f"No unit of {peeks.control} and {peeks.compared} has its outcome yet: nothing can be said.")
    text = f"{peeks.units} of {peeks.planned} units, with p below {level} at {crossed} of {_looks(peeks)}"
    text += f" (without any effect {alarms} of such tests have it at one of {peeks.plan_looks} looks)"
    if not peeks.decided:
        return ok(f"Nothing is decided after {text}.", *numbers)
    text = f"{peeks.decided} was chosen at p = {peeks.p:.2g} after {text}; {_interval(peeks)}"
    if peeks.decided == peeks.control:
        return ok(f"{text}. Keeping {peeks.control} claims nothing.", *numbers)
    if peeks.supported:
        return ok(f"{text}: the decision holds.", *numbers)
    if peeks.p >= peeks.alpha:
        return critical(f"{text}.", *numbers, **_told("decided-without-evidence"))
    if reached.value < EARLY.value:
        return critical(f"{text}.", *numbers, **_told("stopped-at-first-crossing"))
    if reached.value > LATE.value:
        return critical(f"{text}.", *numbers, **_told("ran-until-crossing"))
    return ok(f"{text}; but it was decided at the planned size, for which the test was made.", *numbers)


def _looks(peeks: Peeks) -> str:
    return f"{peeks.looks} looks" + ("" if peeks.noted else ", taking one a day")


def _interval(peeks: Peeks) -> str:
    if peeks.low is None or peeks.high is None:
        return "of so few units no interval can be given"
    return f"however often one looks, the difference is {peeks.low:+.3g} to {peeks.high:+.3g}"


def _told(cause: str) -> dict[str, str]:
    return {"cause": cause, "impact": IMPACT, "next": CURES[cause]}
