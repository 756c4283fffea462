#!/usr/bin/env -S plumb run
"""Is the event loop blocked by one call, so that all clients wait together?

A loop serves nobody while one callback computes, or waits in a system call of its own: all connections stall at the
same moment. The loop's thread shows what it does instead. A loop that gets no processor is not blocked.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.streaming.evidence_loop import EventLoop, PingTimes

LONG = Threshold(0.2, "s", "judgement: twice asyncio's slow_callback_duration (0.1 s)", "away from its events")
VERY_LONG = Threshold(1.0, "s", "judgement: people notice, and time-outs of a second fire", "away from its events")
COMPUTES = Threshold(0.8, "1", "judgement: the rest is the scheduler's", "processor time of a thread that computes")
STARVED = Threshold(0.3, "1", "judgement: others take a third of its time", "time without a processor")
COLLECTS = Threshold(0.5, "1", "judgement: half of it explains it", "garbage collection, of the longest stretch")
ITSELF = Threshold(
    0.5, "1", "judgement: half of the stall may be the probe's own", "own delay of the probe, of the stall"
)

IMPACT = "All clients of the process stall at the same moment: messages, heartbeats, health checks and new connections."
CURES = {
    "blocking-call": "Move it to a thread or an async client, with a time limit; py-spy dump --pid PID names it.",
    "cpu-bound": "See what computes (py-spy dump --pid PID, twice); move it to a process, or cut it into pieces.",
    "gc-pauses": "Freeze what lives long after the start (gc.freeze), or give the collector's heap more room.",
    "seen-from-outside": "Run this with the server's pid, as root: it tells a blocking call from computing.",
}


@diagnostic(timeout_s=90)
def event_loop_blocked(loop: EventLoop | None, pings: PingTimes | None) -> Finding:
    """Hold the longest time without a look at the events against what clients can stand, and ask who saw it."""
    stall = pings.stall_s if pings and pings.own_delay_s < ITSELF.value * pings.stall_s else 0.0
    stalled = Measure("pings_stalled", stall, "s", LONG)
    if loop is None or (loop.away_s is None and loop.lag_s is None):
        if pings is None:
            return unknown("This process has no event loop that could be watched, and no URL to ping.")
        text = f"{pings.connections} connections waited for their pongs at the same time for {stalled} (limit {LONG})."
        if stall < LONG.value:
            return ok(text, stalled)
        return _red("seen-from-outside", stall, text, stalled)
    away_s = loop.lag_s or 0.0 if loop.away_s is None else loop.away_s
    away = Measure("away", away_s, "s", VERY_LONG if away_s >= VERY_LONG.value else LONG)
    starved = Measure("starved", loop.starved_ratio or 0.0, "1", STARVED)
    computed = Measure("computed", loop.cpu_ratio or 0.0, "1", COMPUTES)
    numbers = (away, computed, starved, *([stalled] if pings else []))
    text = f"The event loop was away for {away} at the longest (limit {away.limit})"
    if away_s < LONG.value or not (loop.unread or stall >= LONG.value):
        pinged = f", and pings stalled for {stalled}" if pings else ""
        return ok(f"{text}; no client's data lay unread meanwhile{pinged}.", *numbers)
    if starved.value >= STARVED.value:
        return ok(f"{text}, {starved} of it without a processor: others take it, no call blocks it.", *numbers)
    cause = _cause(loop, away_s)
    if cause is None:
        return ok(f"{text}, busy, but {computed} of it on a processor: no one call.", *numbers)
    what = f"in {loop.doing}{' on a disk' if loop.disk else ''}".replace("in computing", "computing")
    what += f", for {loop.waits_for}" if loop.waits_for else ""
    return _red(cause, away_s, f"{text}, {what}; data of {loop.unread or 0} connections lay unread.", *numbers)


def _red(cause: str, seconds: float, text: str, *numbers: Measure) -> Finding:
    judge = critical if seconds >= VERY_LONG.value else warning
    return judge(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])


def _cause(loop: EventLoop, away_s: float) -> str | None:
    if loop.away_s is None:
        return "seen-from-outside"
    if (loop.gc_s or 0.0) >= COLLECTS.value * away_s:
        return "gc-pauses"
    if loop.doing == "computing":
        return "cpu-bound" if (loop.cpu_ratio or 0.0) >= COMPUTES.value else None
    return "blocking-call"
