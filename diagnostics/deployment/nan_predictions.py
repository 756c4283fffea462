#!/usr/bin/env -S plumb run
"""Does the model answer NaN, infinity or null, or hide that it does?

NaN goes through all arithmetic without an error. Known questions show it; one of them is asked again with each feature
missing in turn, which must end in an error that names the feature, or in a prediction by a declared default.
"""

from plumbline.deployment.evidence_answers import Answers
from plumbline.deployment.evidence_missing import MissingValues
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

ANY = Threshold(1, "{case}", "RFC 8259, 6: JSON has no NaN; and no decision can be made from one", "not finite")
IMPACT = "NaN compares false with everything: such rows fall into the default branch of whoever decides by them"


@diagnostic
def nan_predictions(answers: Answers, gaps: MissingValues | None) -> Finding:
    """Count answers that are no values, then what becomes of missing values."""
    whole = Measure("not_finite", answers.not_finite - answers.gaps_not_finite, "{answer}", ANY)
    empty = Measure("gaps_not_finite", answers.gaps_not_finite, "{answer}", ANY)
    masked = Measure("gaps_wrong", answers.gaps_wrong, "{answer}", ANY)
    names = gaps.not_finite if gaps else ()
    silent = Measure("nan_features", len(names), "{feature}", ANY)
    measures = (whole, empty, masked, silent, Measure("asked", answers.asked, "{question}"))
    text = f"Of {answers.asked} known answers {whole} not finite (limit {ANY})"
    if whole.value >= ANY.value:
        nxt = "Look for NaN in the weights: `plumb model show MODEL`, numpy.isnan(model.coef_).any()."
        return critical(
            f"{text}, and nothing was missing.", *measures, cause="model-gives-nan", impact=IMPACT, next=nxt
        )
    if empty.value >= ANY.value:
        text = f"{text}, but {empty} to questions with a missing value are NaN, infinity or null"
        nxt = "Compare how training filled missing values with how the service does; give each a declared default."
        return critical(f"{text}.", *measures, cause="missing-becomes-nan", impact=IMPACT, next=nxt)
    if masked.value >= ANY.value and answers.wrong == answers.gaps_wrong:
        text = f"{text}; {masked} to questions with a missing value are finite and wrong, all others are right"
        nxt = "Look for nan_to_num, fillna or a default on the answer; fill the feature, as training did."
        impact = "Everybody without the feature gets one invented score"
        return critical(f"{text}.", *measures, cause="nan-masked", impact=impact, next=nxt)
    if silent.value >= ANY.value:
        text = f"{text}; but a missing value of {', '.join(names)} becomes one, with status 200"
        nxt = "Refuse missing values at the door, or declare a default; check that outputs are finite."
        return warning(f"{text}.", *measures, cause="missing-becomes-nan", impact=IMPACT, next=nxt)
    if not answers.right + answers.wrong:
        return unknown(f"None of {answers.asked} questions is answered: {answers.refusal}.")
    told = f"missing values: {gaps.refused} refused, {gaps.predicted} predicted" if gaps else "no value was left out"
    return ok(f"{text}; {told}.", *measures)
