#!/usr/bin/env -S plumb run
"""Do the first requests of a model server, or of a new process of it, take many times as long as the others?

What has to be done once, importing a runtime, reading a model, making buffers, is done before the server says ready,
or some user waits for it. Questions at a steady pace show how often, births of processes show why.
"""

from plumbline.deployment.evidence_coldness import AnswerTimes
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

TIMES = Threshold(
    10, "1", "judgement: noise of a loaded machine stays below; loading anything does not", "times median"
)
FELT = Threshold(0.25, "s", "judgement: pauses of a busy machine are shorter, loading a model is not", "a slow answer")
LOADING = Threshold(1.0, "s", "judgement: so long a pause of one first answer is no accident", "the first answer alone")
OFTEN = Threshold(3, "{answer}", "judgement: two may be pauses of the machine, three are a habit", "slow answers")

IMPACT = (
    "After each start, switch or scale-out some requests take many times as long, and clients with short limits fail."
)
CURES = {
    "not-warmed": ("Predict with a known row before the process takes requests", "Let ready mean: has predicted"),
    "unloaded-when-idle": ("Keep the model loaded: idle limits, keep-alive, least replicas", "Or ask it each minute"),
}


@diagnostic(timeout_s=40)
def cold_start(times: AnswerTimes) -> Finding:
    """Count answers that took ten times the median, and look whether processes began."""
    slow = [one for one in times.slowest_s if one >= max(FELT.value, TIMES.value * times.median_s)]
    first_s = times.first_s or 0.0
    worst = max(times.slowest_s, default=first_s)
    count, median = Measure("slow", len(slow), "{answer}", OFTEN), Measure("median", times.median_s, "s")
    slowest, first = Measure("slowest", worst, "s"), Measure("first", first_s, "s", LOADING)
    numbers = (count, median, slowest, first, Measure("born", times.born or 0, "{process}"))
    text = f"Of {times.answered} answers, median {median}, {count} took {TIMES.value:g} times as long or longer"
    text += f" (the slowest {slowest})"
    text += f"; the first took {first}" + (f"; {times.born} processes began meanwhile" if times.born else "") + "."
    if times.failed > times.answered:
        return unknown(f"{times.failed} of {times.failed + times.answered} questions were not answered.", *numbers)
    if len(slow) >= OFTEN.value and times.born != 0:
        judge = critical if times.born else warning
        return judge(text, *numbers, cause="not-warmed", impact=IMPACT, next=CURES["not-warmed"])
    if not slow and first_s >= max(LOADING.value, TIMES.value * times.median_s):
        return warning(text, *numbers, cause="unloaded-when-idle", impact=IMPACT, next=CURES["unloaded-when-idle"])
    return ok(text, *numbers)
