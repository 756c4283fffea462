#!/usr/bin/env -S plumb run
"""Do features reach the model under each other's names?

Columns of equal type can be swapped without an error: each answer is a number, and wrong. Questions whose answers are
known are asked again with values exchanged between features; if that makes every answer right, the order is the cause.
"""

from plumbline.deployment.evidence_answers import Answers
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

WRONG = Threshold(1, "{answer}", "a known answer is right or wrong; of 24 at most, one counts", "wrong answers")
MOVED = Threshold(1, "{question}", "Open Inference Protocol: inputs are known by name", "answers that follow the place")
IMPACT = "Every prediction is made from mixed-up features, with status 200: decisions are wrong, and no alarm sees it"


@diagnostic
def column_order_swapped(answers: Answers) -> Finding:
    """Exchange values between features, and inputs between places."""
    wrong = Measure("wrong", answers.wrong, "{answer}", WRONG)
    moved = Measure("by_place", answers.by_place, "{question}", MOVED)
    measures = (
        wrong,
        moved,
        Measure("right", answers.right, "{answer}"),
        Measure("asked", answers.asked, "{question}"),
    )
    if not answers.right + answers.wrong:
        return unknown(
            f"None of {answers.asked} questions has an answer that can be judged: {answers.refusal or 'NaN'}."
        )
    text = f"Of {answers.asked} known answers {wrong} wrong (limit {WRONG})"
    if answers.exchanged:
        return critical(
            f"{text}; all are right once the values of {', '.join(answers.exchanged)} stand under each other's names.",
            *measures,
            cause="columns-exchanged",
            impact=IMPACT,
            next="Compare the order in the feature code with the model's: `plumb model show MODEL`, feature_names_in_.",
        )
    if answers.by_place >= MOVED.value:
        say = critical if answers.wrong else warning
        return say(
            f"{text}, and {moved} answered otherwise when the same named inputs come in another order (limit {MOVED}).",
            *measures,
            cause="names-ignored",
            impact=IMPACT
            if answers.wrong
            else "The next caller who sends the features in another order is told nonsense",
            next="Take inputs by name where the request is read; refuse columns without names.",
        )
    if answers.wrong and not answers.complete:
        return unknown(f"{text}, and there was no time to try every order.")
    guard = "taken: nothing would notice a swap" if answers.unnamed_taken else "refused"
    return ok(f"{text}, which no other order explains; columns without names are {guard}.", *measures)
