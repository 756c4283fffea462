#!/usr/bin/env -S plumb run
"""Does a canary get enough requests to be judged?

No errors in no requests is no good news. How many requests show that a candidate fails five times as often as the
version it replaces is known before; so is, from its share and the traffic, how long that takes.
"""

from plumbline.deployment.evidence_canary import CanaryTraffic
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

NEEDED = Threshold(
    313,
    "{request}",
    "measured: median of the sequential test, 1 % to 5 % errors at level 0.01",
    "answered by the candidate",
)
LONGEST = Threshold(3600, "s", "judgement: who waits longer looks at the clock instead", "until they are there")
DUE = Threshold(10, "{request}", "Poisson: none of ten that are due, by chance once in 22,000", "due in the window")
IMPACT = "The canary passes whatever it does: what it breaks is found out by everybody, after the promotion."
NEXT = {
    "no-traffic": "Send it requests: replay recorded ones; until there are enough, call the result inconclusive.",
    "share-too-small": "Raise its share until a stage sees enough, and let the rule ask for requests, not for minutes.",
    "not-reached": "Compare the split with what callers send: a pin or a route that nobody's requests match?",
}


@diagnostic(timeout_s=30)
def canary_inconclusive(traffic: CanaryTraffic) -> Finding:
    """Hold what the candidate was asked against what a judgement needs."""
    if traffic.changed:
        return unknown("The shares changed while they were looked at: look again.")
    if traffic.versions < 2:
        return ok(
            "One version answers all requests: there is no canary.", Measure("versions", traffic.versions, "{version}")
        )
    seen = Measure("requests", traffic.requests, "{request}", NEEDED)
    due = Measure("due", traffic.per_s * traffic.share * traffic.window_s, "{request}", DUE)
    rate = traffic.per_s * traffic.share
    text = f"{traffic.candidate} gets {traffic.share:.3g} of {traffic.per_s:.3g} requests per second, and has answered"
    text += f" {seen} of the {NEEDED} that show a bad candidate"
    if traffic.requests >= NEEDED.value:
        return ok(f"{text}.", seen, due)
    if not traffic.per_s:
        return _told(f"{text}; nobody asks this server anything.", "no-traffic", seen, due)
    if due.value >= DUE.value and not traffic.arrived:
        return _told(f"{text}; of {due} that were due in {traffic.window_s:.1f} s none came.", "not-reached", seen, due)
    wait = Measure("wait", (NEEDED.value - traffic.requests) / rate, "s", LONGEST)
    text += f"; the rest takes {wait} (limit {LONGEST})."
    if wait.value >= LONGEST.value:
        return _told(text, "share-too-small", seen, due, wait)
    return ok(text, seen, due, wait)


def _told(text: str, cause: str, *numbers: Measure) -> Finding:
    say = warning if cause == "share-too-small" else critical
    return say(text, *numbers, cause=cause, impact=IMPACT, next=NEXT[cause])
