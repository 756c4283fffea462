#!/usr/bin/env -S plumb run
"""Would a rollback work now?

The way back is needed on the worst day, and looked at on that day first. So the version that served before is looked
at while all is well: are its files there and whole, and does it take what callers send today?
"""

from plumbline.deployment.evidence_wayback import WayBack
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning

GONE = Threshold(1, "{file}", "by definition: a model is all of its files", "files of the target missing or damaged")
REFUSED = Threshold(1, "{question}", "by definition: these are what callers send", "known questions it would refuse")
BREAKS = Threshold(1, "{change}", "semver.org 2.0.0: a major change breaks callers", "breaking differences")
IMPACT = "What is in production now cannot be taken back: every minute of the next bad release is served to its end."


@diagnostic(timeout_s=40)
def rollback_fails(way: WayBack) -> Finding:
    """Look at the target's files, then at its callers."""
    if not way.target:
        return ok(f"{way.current or 'Nothing'} is in production, and nothing was before: there is no way back yet.")
    gone = Measure("gone", way.missing + way.damaged, "{file}", GONE)
    refused = Measure("refused", way.refused, "{question}", REFUSED)
    breaks = Measure("breaks", way.breaks, "{change}", BREAKS)
    text = f"{way.current} is in production, {way.target} was before; {gone} of {way.files} missing or damaged"
    asked = f", {refused} of {way.asked} refused" if way.asked is not None else ""
    text += f" (limit {GONE}){asked}, {breaks} for callers (limit {BREAKS})"
    numbers = (gone, refused, breaks)
    if gone.value >= GONE.value or way.collected:
        cause = "target-gone" if way.missing or way.collected else "target-damaged"
        first = f": {way.first_bad}" if way.first_bad else ": collected"
        help_ = (
            f"Register {way.target} again from its package or from where it was trained: plumb model register FOLDER"
        )
        return critical(f"{text}{first}.", *numbers, cause=cause, impact=IMPACT, next=help_)
    why = f": {way.refusal or way.broken}" if way.refusal or way.broken else ""
    told = {"cause": "target-incompatible", "impact": IMPACT, "next": NEXT}
    if refused.value >= REFUSED.value:
        return critical(f"{text}{why}.", *numbers, **told)
    if way.asked is None and breaks.value >= BREAKS.value:
        return warning(f"{text}{why}.", *numbers, **told)
    return ok(f"{text}.", *numbers)


NEXT = "Keep a version that takes today's requests one step back: register the old model with the new contract."
