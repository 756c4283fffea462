#!/usr/bin/env -S plumb run
"""Do many requests compute the same value at the same moment, because a hot key of the cache has expired?

A cache's own counters say so. Of any other service, connections to its upstreams show the herd as a burst.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.streaming.evidence import CacheLoads

HERD = Threshold(
    5, "{computation}", "judgement: one is enough, a few may race at a start", "computations of one key at once"
)
CROWD = Threshold(
    50, "{computation}", "judgement: more than a database's usual pool", "computations of all keys at once"
)
NO_JITTER = Threshold(
    0.05, "1", "judgement: less spreads an expiry over too little time", "jitter of times to live", low=True
)
BURST = Threshold(16, "{connection}", "judgement: three times a small pool of 5", "most connections to one upstream")
RATIO = Threshold(
    4, "1", "judgement: steady load keeps the most within twice the median", "most over usual connections"
)

IMPACT = "Those who miss wait behind each other, and the upstream does the same work as often as there are requests."
CURES = {
    "no-protection": "Let one request compute and the others wait for it, and serve the stale value meanwhile.",
    "keys-expire-together": "Spread times to live by a tenth or more: what was filled together expires together.",
    "loads-in-bursts": "Log the key at each miss to see what expires then; let one request at a time compute it.",
}


@diagnostic
def cache_stampede(cache: CacheLoads) -> Finding:
    """Judge computations of one key, then of all keys; without the cache's own counters bursts to one upstream."""
    if cache.protection is None:
        return _from_outside(cache)
    herd = Measure("most_at_once", cache.most_at_once, "{computation}", HERD)
    crowd = Measure("loading", cache.loading, "{computation}", CROWD)
    if not cache.protection and herd.value >= HERD.value:
        text = f"One key was computed by {herd} at once (limit {HERD}), and nothing in the cache prevents it."
        return _red(text, "no-protection", herd, crowd)
    if crowd.value >= CROWD.value and (cache.jitter or 0.0) < NO_JITTER.value:
        text = f"{crowd} run at once (limit {CROWD}), of keys without jitter in their times to live."
        return _red(text, "keys-expire-together", crowd, herd)
    return ok(f"At most {herd} of one key ran at once (limit {HERD}).", herd, crowd)


def _from_outside(cache: CacheLoads) -> Finding:
    worst = max(cache.upstreams, key=lambda one: one.most / max(one.usual, 1))
    most = Measure("most_connections", worst.most, "{connection}", BURST)
    ratio = Measure("burst_ratio", worst.most / max(worst.usual, 1), "1", RATIO)
    text = f"{most} to {worst.address} at one moment, {worst.usual:g} usually (limits: {BURST}, {RATIO.value:g} times)."
    if most.value < BURST.value or ratio.value < RATIO.value:
        return ok(text, most, ratio)
    return _red(text, "loads-in-bursts", most, ratio)


def _red(text: str, cause: str, *measures: Measure) -> Finding:
    say = critical if cause == "no-protection" else warning
    return say(text, *measures, cause=cause, impact=IMPACT, next=CURES[cause])
