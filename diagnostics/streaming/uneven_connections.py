#!/usr/bin/env -S plumb run
"""Does one worker hold far more connections than the others?

Chance alone spreads n connections over k workers unevenly: by SO_REUSEPORT's hash each worker's count is binomial. Only
what lies beyond that is judged; the workers' ages then tell old connections that stay from new ones that go wrong.
"""

from math import sqrt

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.streaming.evidence import Worker, Workers

UNEVEN = Threshold(1.5, "1", "judgement: half as much again is a worker more than was bought", "fullest, to the mean")
LOPSIDED = Threshold(3.0, "1", "judgement: capacity for three is used like one", "fullest, to the mean")
CHANCE = Threshold(4.0, "1", "binomial spread: 4 sigma is once in 16,000 looks", "sigmas from an even spread")
YOUNGER = Threshold(0.9, "1", "judgement: a tenth younger is a worker of its own time", "its age, to the oldest's")

IMPACT = "The full worker is slow, or at its limit, while others idle; if it dies, nearly everybody reconnects at once."
CURES = {
    "old-connections-stay": "Let old connections move: plumb gateway balance, or a bounded age (max_connection_age_s).",
    "worker-does-not-accept": "Ask that worker why it takes nobody: is it stopped, not ready, or not in the balancer?",
    "clients-are-pinned": "Balance by least connections, not by the client's address (source, ip_hash, ClientIP).",
}


@diagnostic
def uneven_connections(workers: Workers) -> Finding:
    """Hold the fullest worker against the mean, and against what chance allows."""
    serving = [one for one in workers.workers if one.state in ("ready", "unknown") and one.connections is not None]
    if not serving:
        return unknown("No worker says how many connections it has.")
    if len(serving) == 1:
        return ok(f"There is one worker; it has {serving[0].connections} connections.")
    if workers.spread is None:
        return ok(f"{len(serving)} workers, and nobody is connected.")
    fullest, emptiest = max(serving, key=_size), min(serving, key=_size)
    by_chance = 1 + CHANCE.value * sqrt((len(serving) - 1) / workers.connections)  # sigma / mean = sqrt((k-1)/n)
    spread = Measure("spread", workers.spread, "1", LOPSIDED if workers.spread >= LOPSIDED.value else UNEVEN)
    chance = Measure("spread_by_chance", by_chance, "1")
    counts = ", ".join(f"{one.worker} {one.connections}" for one in serving[:8])
    text = f"The fullest of {len(serving)} workers has {spread} of the mean (limit {spread.limit}; chance explains "
    text += f"{chance}): {counts}."
    if workers.spread < max(UNEVEN.value, by_chance):
        return ok(text, spread, chance)
    cause = _cause(fullest, emptiest)
    judge = critical if workers.spread >= LOPSIDED.value else warning
    return judge(text, spread, chance, cause=cause, impact=IMPACT, next=CURES[cause])


def _size(one: Worker) -> int:
    return one.connections or 0


def _cause(fullest: Worker, emptiest: Worker) -> str:
    if fullest.uptime_s is None or emptiest.uptime_s is None:
        return "old-connections-stay"  # by far the most frequent; the guide tells the others apart by hand
    if emptiest.uptime_s < YOUNGER.value * fullest.uptime_s:
        return "old-connections-stay"
    return "clients-are-pinned" if emptiest.connections else "worker-does-not-accept"
