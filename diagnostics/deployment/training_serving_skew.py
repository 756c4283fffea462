#!/usr/bin/env -S plumb run
"""Are features computed as in training when the model is asked?

The same customer at the same moment must have the same features in both code paths: rows of one key are compared cell
by cell. A world that changes moves both alike, so it is no skew.
"""

from plumbline.deployment.evidence_answers import Answers
from plumbline.deployment.evidence_skew import Skew
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

SKEWED = Threshold(0.02, "1", "judgement: late joins cost some 1 %; other code differs nearly everywhere", "share")
EXPLAINED = Threshold(0.9, "1", "judgement: one cause explains nearly all cells, with room for late ones", "explained")
SCALED = Threshold(2, "1", "units differ by 2.2 (lb, kg) and more; prices of a year by less", "ratio of medians")
ENOUGH = 20  # rows
IMPACT = "The model answers for customers that do not exist: each decision since the difference began is in doubt"


@diagnostic
def training_serving_skew(skew: Skew | None, answers: Answers | None) -> Finding:
    """Look at the feature that differs most; without rows, at what makes known answers right."""
    if skew is None:
        return _asked(answers)
    share = Measure("differing_share", skew.differing / max(skew.of, 1), "1", SKEWED)
    measures = (share, Measure("rows", skew.rows, "{row}"), Measure("features", skew.features, "{feature}"))
    if skew.rows < ENOUGH or not skew.features:
        return unknown(f"{skew.rows} rows with {skew.features} common features are too few to compare.")
    text = f"'{skew.feature}' differs from training in {share} of the {'rows' if skew.paired else 'quantiles'}"
    text = f"{text} (limit {SKEWED}); {skew.rows} rows compared" if skew.feature else f"{skew.rows} rows compared"
    cause, how = _cause(skew)
    if skew.paired and share.value >= SKEWED.value:
        too = f"; so do {', '.join(skew.others)}" if skew.others else ""
        help_ = f"Compare the two code paths of '{skew.feature}', and take one of them for both."
        return critical(f"{text}: {how}{too}.", *measures, cause=cause, impact=IMPACT, next=help_)
    moved = f" {', '.join(skew.moved)} moved since training" if skew.moved else ""
    if skew.paired:
        drift = f";{moved}, in training's code as well: the world, no skew" if moved else ", as training computes them"
        return ok(f"{text}{drift}.", *measures)
    far = skew.ratio is not None and not 1 / SCALED.value < abs(skew.ratio) < SCALED.value
    if moved and (cause == "missing-differently" or (cause == "unit-or-scale" and far)):
        return warning(f"{text}: {how}.", *measures, cause=cause, impact=IMPACT, next="Compare rows of one key.")
    if moved:
        return unknown(f"{text};{moved}: skew and a changed world look alike. Log a key, and compare row by row.")
    return ok(f"{text}, distributed as in training.", *measures)


def _cause(skew: Skew) -> tuple[str, str]:
    most = EXPLAINED.value * max(skew.differing, 1)
    if skew.filled + skew.emptied >= most:
        where = (
            ("training", "a value in serving") if skew.filled >= skew.emptied else ("serving", "a value in training")
        )
        return "missing-differently", f"it is missing in {where[0]} and has {where[1]}"
    if skew.stale >= most:
        return "stale", "what is served is what training computed earlier"
    if skew.ratio is not None and skew.ratio_alike >= most:
        return "unit-or-scale", f"served is {skew.ratio:.4g} times trained"
    if skew.shift is not None and skew.shift_alike >= most:
        return "shifted", f"served is trained plus {skew.shift:.4g}"
    return "computed-differently", "no single factor or shift explains it"


def _asked(answers: Answers | None) -> Finding:
    if answers is None:
        return unknown("Neither rows nor answers could be had.")
    if not answers.unit_of:
        return ok(f"{answers.wrong} of {answers.asked} known answers are wrong, and no unit explains them.")
    text = f"{answers.wrong} of {answers.asked} known answers are wrong, and all right with {answers.unit_of}"
    return critical(f"{text} {answers.unit}.", cause="unit-or-scale", impact=IMPACT, next="Compare its unit.")
