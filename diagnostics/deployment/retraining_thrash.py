#!/usr/bin/env -S plumb run
"""Is the model trained again and again for nothing?

A training soon after another one, with hardly a new label, gives the same model again: it costs money, fills the
registry, and each release of it is a risk. One may happen; a habit of it is a rule without hysteresis or cool-down, a
training that never reaches production, or one that fails.
"""

from plumbline.deployment.evidence_trainings import Trainings
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning

HABIT = Threshold(2, "{training}", "judgement: one is an accident, two are a habit", "trainings for nothing")
NIGHT = Threshold(10, "{training}", "judgement: the pipeline is never idle, and somebody pays", "the same, critical")
MOST = Threshold(0.5, "1", "judgement: what half of them have in common is the cause", "of the trainings for nothing")

IMPACT = "Trainings cost their price and bring back the same model; every release of it is a risk without a gain."
CURES = {
    "training-fails": "Read the runs' output; count a failed training for cool-down and budget as one that went well.",
    "never-deployed": "See at which gate the candidate stays: plumb deployments. The reason to train stays until then.",
    "signal-trembles": "Let the rule end apart from where it begins (`until`), and declare cool_down and new_labels.",
    "reason-stays": "Compare with the sample that the serving version learnt from; declare cool_down and new_labels.",
}


@diagnostic
def retraining_thrash(trainings: Trainings) -> Finding:
    """Count the trainings that began soon after another one with few new labels, and see what they have in common."""
    wasted = Measure("wasted", trainings.wasted, "{training}", HABIT)
    started, window = Measure("started", trainings.started, "{training}"), Measure("window", trainings.window_s, "s")
    shortest, labels = (
        Measure("shortest", trainings.shortest_s, "s"),
        Measure("labels", trainings.fewest_labels, "{label}"),
    )
    numbers = (wasted, started, window, shortest, labels)
    text = f"{started} in {window}, {trainings.wasted} of them for nothing (limit {HABIT.value:.0f})"
    if wasted.value < HABIT.value:
        return ok(f"{text}.", *numbers)
    text += f": as little as {shortest} after another, with as few as {labels} new{_declared(trainings)}."
    cause = _cause(trainings)
    judge = critical if wasted.value >= NIGHT.value else warning
    return judge(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])


def _cause(trainings: Trainings) -> str:
    least = MOST.value * trainings.wasted
    if trainings.failed >= least:
        return "training-fails"
    if trainings.undeployed >= least:
        return "never-deployed"
    return "signal-trembles" if trainings.trembling >= least else "reason-stays"


def _declared(trainings: Trainings) -> str:
    if trainings.cool_down_s is None or trainings.new_labels is None:
        return ""
    band = "" if trainings.band is None else f", a rule ends {trainings.band * 100:.1f} % from where it begins"
    return f"; declared: cool_down {trainings.cool_down_s:.0f} s, new_labels {trainings.new_labels}{band}"
