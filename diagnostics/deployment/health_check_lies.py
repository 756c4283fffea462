#!/usr/bin/env -S plumb run
"""Does the model server say that it is ready, and cannot predict?

A health check that asks nothing of the model is true of a server without one. So the check and questions with known
answers are asked in turn, through the address that clients use: who is ready answers, and rightly.
"""

from plumbline.deployment.evidence_readiness import Readiness
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown

FAILED = Threshold(2, "{question}", "judgement: one of twelve may be an accident, two are not", "questions that fail")
WRONG = Threshold(1, "{answer}", "by definition: a known question has one answer", "wrong answers")
IMPACT = (
    "Balancers and deployments trust the check: requests go to a server that cannot answer them, and nobody is told."
)
NEXT = {
    "model-not-loaded": (
        "Ask each server behind the address by itself: POST /v2/models/MODEL/infer",
        "Read its log from its start: why was the model not loaded?",
    ),
    "predictions-fail": ("Ask each server by itself, and read its log: what fails behind the check?",),
    "other-model": (
        "Compare what each server loaded: GET /v2/models/MODEL, and the SHA-256 of its file",
        "Compare the questions with the model: do their answers belong to this version?",
    ),
}


@diagnostic(timeout_s=40)
def health_check_lies(readiness: Readiness) -> Finding:
    """Hold what the check says against what is answered."""
    failed = readiness.absent + readiness.broken + readiness.silent
    ready = Measure("ready", readiness.ready, "{check}")
    failing, wrong = (
        Measure("failed", failed, "{question}", FAILED),
        Measure("wrong", readiness.wrong, "{answer}", WRONG),
    )
    said = f" ({readiness.refusal})" if readiness.refusal else ""
    text = (
        f"{ready} of {readiness.checks} said ready; of {readiness.asked} questions with known answers {failing} failed"
    )
    text += f"{said} (limit {FAILED}), {wrong} were answered wrongly (limit {WRONG})"
    numbers = (ready, failing, wrong)
    if not readiness.ready:
        return ok(f"{text}: it says itself that it is not ready.", *numbers)
    if failed >= FAILED.value:
        cause = "model-not-loaded" if readiness.absent >= readiness.broken + readiness.silent else "predictions-fail"
        return _told(text, cause, *numbers)
    if readiness.wrong >= WRONG.value and not readiness.explained:
        return _told(text, "other-model", *numbers)
    if readiness.refused and not readiness.right:
        return unknown(f"{text}: it refuses the questions themselves; they must fit its model.", *numbers)
    why = ": the mistake is in how features reach the model, which no health check sees" if readiness.explained else ""
    return ok(f"{text}{why}.", *numbers)


def _told(text: str, cause: str, *numbers: Measure) -> Finding:
    return critical(f"{text}.", *numbers, cause=cause, impact=IMPACT, next=NEXT[cause])
