#!/usr/bin/env -S plumb run
"""Does something on the way cut quiet connections before the next heartbeat?"""

from math import inf

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown
from plumbline.streaming.evidence import LOST, Close, Closes, IdleLifetime

ENOUGH = Threshold(5, "{connection}", "judgement: fewer may coincide by chance", name="lost connections for a pattern")
DENSER = Threshold(4, "1", "judgement: chance alone rarely crowds so", name="crowd at one idle age, to an even spread")
WIDTH = Threshold(0.10, "1", "judgement: one timer's jitter; half a second at least", name="one idle age, give or take")
SHORTEST = Threshold(1, "s", "judgement: nobody sets a front lower", name="shortest idle time-out looked for")
RECENT = Threshold(600, "s", "judgement: above the usual idle time-outs, 60 s to 350 s", name="a close is recent for")
FELT = "Quiet clients lose their connection again and again, and miss what is published until they are back"
NEXT = ("Find the front with this idle time-out and set it above two heartbeats", "Or send heartbeats twice within it")


@diagnostic(timeout_s=150)
def idle_timeout_mismatch(lifetime: IdleLifetime | None, closes: Closes | None) -> Finding:
    """Judge by quiet connections of our own, and by the silence after which the gateway lost its clients."""
    probe = lifetime or IdleLifetime(first_ping_s=None, closed_after_s=None, close_code=None, watched_s=0)
    beat = Measure("heartbeat_interval", closes.heartbeat_interval_s if closes else 0, "s")
    # A probe that got its ping in time speaks for the present: closes from before it are history.
    since = RECENT.value if probe.first_ping_s is None else probe.watched_s
    group = pattern([one for one in closes.recent if one.ago_s <= since], beat.value or inf) if closes else []
    if group or probe.limit_s is not None:
        idle = Measure("idle_limit", group[len(group) // 2].idle_s if probe.limit_s is None else probe.limit_s, "s")
        count = Measure("lost", len(group), "{connection}", ENOUGH)
        seen = f"{count} were lost" if probe.limit_s is None else "Two quiet connections of our own were cut"
        pace = f"the server pings only every {beat}" if beat.value else "no ping came before that"
        cause = "no-heartbeat" if closes and not beat.value else "front-timeout"
        sentence = f"{seen} after {idle} of silence; {pace}"
        known = [one for one in (idle, beat, count) if one.value]
        return critical(sentence, *known, cause=cause, impact=FELT, next=NEXT)
    watched = Measure("watched", probe.watched_s, "s")
    if probe.first_ping_s is not None:
        first = Measure("first_ping", probe.first_ping_s, "s")
        return ok(f"A quiet connection got its first ping after {first}, and was not cut before", first, beat)
    if probe.closed_after_s is not None and (not closes or probe.close_code == LOST):
        told = f"Our quiet connections ended with code {probe.close_code}, not at one age without a word"
        return unknown(f"{told}: give the target a token if it wants one, and run again", watched)
    if not closes:
        hint = "set the target's patience_s above the server's heartbeat interval (75 s covers most)"
        return unknown(f"Neither a ping nor a cut within {watched}: {hint}", watched)
    return ok(f"Of the last {len(closes.recent)} closes none shows an idle time-out below the heartbeat interval", beat)


def pattern(recent: list[Close], beat_s: float) -> list[Close]:
    """Return the lost connections that ended at one idle age below the heartbeat, at more than one moment."""
    lost = [one for one in recent if one.code == LOST]
    early = sorted((one for one in lost if SHORTEST.value <= one.idle_s < beat_s), key=lambda one: one.idle_s)
    best: list[Close] = []
    for first in early:
        width = max(0.5, WIDTH.value * first.idle_s)
        group = [one for one in early if 0 <= one.idle_s - first.idle_s <= width]
        spread = max(one.ago_s for one in group) - min(one.ago_s for one in group)
        if len(group) >= max(ENOUGH.value, DENSER.value * len(lost) * width / beat_s, len(best) + 1) and spread > width:
            best = group
    return best
