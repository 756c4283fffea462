#!/usr/bin/env -S plumb run
"""Are the arms of an experiment as large as planned?

If not, the two groups differ by more than the change: units were lost, doubled or moved, and not by chance. Whatever
the metrics say then, it is not the change that they compare. The balance is judged by evidence that holds at every
look, as a whole and in each part of the population, for a part tells where units get lost.
"""

from plumbline.deployment.evidence_balance import ArmBalance
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown

RARE = Threshold(
    1000, "{experiment}", "Fabijan et al., KDD 2019: p below 0.001 is void", "right experiments of which one looks so"
)
ALIKE = Threshold(0.01, "1", "judgement: it tells causes apart, it raises no alarm", "chance that parts differ so")
NEVER = 1e9  # beyond it nobody counts
FEW = Threshold(200, "{unit}", "judgement: of fewer no imbalance but the coarsest shows", "units")
CROSSED = Threshold(0.01, "1", "judgement: a few come from shared devices", "of the units in several arms")
STRANGE = Threshold(1, "{exposure}", "by definition: the plan names every arm", "exposures to an unplanned arm")

IMPACT = "No effect that this experiment shows can be believed, in either direction."
CURES = {
    "assignment-unstable": "Assign by a key and a salt that stay; look for a salt that is made anew in each process.",
    "unplanned-arm": "Compare the names of arms in the service and in the experiment's file.",
    "lost-in-one-part": "Follow one unit of that part and arm from request to log line; look for errors before it.",
    "uneven-everywhere": "Compare the shares in the service with those planned; then see what all of one arm pass.",
}


@diagnostic(timeout_s=30)
def sample_ratio_mismatch(balance: ArmBalance) -> Finding:
    """Look for unplanned arms, units in several arms, and arms of another size than planned."""
    units, odds = (
        Measure("units", balance.units, "{unit}", FEW),
        Measure("odds", _odds(balance.p), "{experiment}", RARE),
    )
    crossed = Measure("crossed", balance.crossed / balance.units if balance.units else 0.0, "1", CROSSED)
    strange = Measure("strange", balance.strangers, "{exposure}", STRANGE)
    uneven, parts = Measure("uneven_parts", balance.uneven, "{part}"), Measure("parts", balance.parts, "{part}")
    numbers = (units, odds, crossed, strange, uneven, parts)
    if strange.value >= STRANGE.value:
        text = f"{strange} to an arm that the plan does not have: '{balance.stranger}'."
        return critical(text, *numbers, **_told("unplanned-arm"))
    if crossed.value > CROSSED.value and units.value >= FEW.value:
        text = f"{balance.crossed} of {units} met more than one arm: {crossed} (limit {CROSSED})."
        return critical(text, *numbers, **_told("assignment-unstable"))
    if balance.uneven:
        part = Measure("part_odds", _odds(balance.part_p), "{experiment}", RARE)
        text = f"Among {balance.part} {_sizes(balance, balance.part_sizes)};"
        text += f" by chance so in one of {part} (limit {RARE}); {balance.uneven} of {parts} uneven."
        return critical(text, *numbers, part, **_told(_where(balance)))
    text = f"{_sizes(balance, balance.sizes)}, planned {_planned(balance)}"
    text += f"; by chance so in one of {odds} (limit {RARE})."
    if odds.value >= RARE.value:
        return critical(text, *numbers, **_told(_where(balance)))
    if units.value < FEW.value:
        return unknown(f"Only {units} so far: of fewer than {FEW} little can be said.")
    return ok(text, *numbers)


def _where(balance: ArmBalance) -> str:
    return "lost-in-one-part" if balance.alike < ALIKE.value else "uneven-everywhere"


def _odds(p: float) -> float:
    return round(min(1 / p, NEVER)) if p else NEVER


def _sizes(balance: ArmBalance, sizes: tuple[int, ...]) -> str:
    return " and ".join(f"{size} in {arm}" for arm, size in zip(balance.arms, sizes, strict=True))


def _planned(balance: ArmBalance) -> str:
    if not balance.planned:
        return "unknown, taken as equal"
    return " and ".join(f"{size:.0f}" for size in balance.expected)


def _told(cause: str) -> dict[str, str]:
    return {"cause": cause, "impact": IMPACT, "next": CURES[cause]}
