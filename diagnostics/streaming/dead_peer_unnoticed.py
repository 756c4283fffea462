#!/usr/bin/env -S plumb run
"""Are clients that are long gone still counted, kept and sent to?

A peer that vanishes without a word (cable, radio, NAT entry) sends no FIN: only what waits for an answer notices.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.host.peers import Peers
from plumbline.streaming.evidence_heartbeats import Heartbeats, UnansweredPings

SEVERAL = Threshold(3, "{connection}", "judgement: one or two are in a tunnel", name="unreachable peers")
NOTICED = Threshold(120, "s", "judgement: four heartbeats of 25 s and their answers", name="longest time to notice")
GRACE = Threshold(5, "s", "judgement: a busy event loop looks so much later", name="what a heartbeat may be late")

IMPACT = (
    "They hold memory and places that others are refused for; presence and counts are wrong, and messages go to nobody."
)
CURES = {
    "no-heartbeat": "Send heartbeats and close who does not answer: 25 s and 10 s suit most.",
    "slow-heartbeat": "Shorten heartbeat interval and time-out: together they are how long a dead peer stays.",
    "not-enforced": "Find why the server does not close who does not answer: see its log for heartbeat time-outs.",
}


@diagnostic(timeout_s=150)
def dead_peer_unnoticed(peers: Peers | None, beats: Heartbeats | None, mute: UnansweredPings | None) -> Finding:
    """Hold what the kernel knows of the peers against how soon the server would notice."""
    if peers is None and beats is None and not _thrown_out(mute):
        watched = Measure("watched", mute.watched_s if mute else 0, "s")
        what = "pings came" if mute and mute.first_ping_s is not None else "no ping came"
        hint = "set the target's patience_s above its interval and time-out"
        return unknown(f"A client that answers no ping was not closed for it in {watched} ({what}): {hint}.", watched)
    notices_s = _notices_s(beats, mute)
    gone, unheard_s = (peers.unreachable, peers.longest_unheard_s) if peers else (0, 0.0)
    lost = Measure("unreachable", gone, "{connection}", SEVERAL)
    unheard = Measure("longest_unheard", round(unheard_s, 1), "s")
    numbers = [lost, unheard, *([Measure("notices_after", notices_s, "s", NOTICED)] if notices_s else [])]
    beat = f"the server notices after {notices_s or 0:g} s (limit {NOTICED})"
    if not notices_s:
        beat = "how soon the server notices is unknown" if notices_s is None else "the server sends no heartbeat"
    seen = f"{lost} of {peers.connections} answer nothing, {unheard} at most (limit {SEVERAL}); " if peers else ""
    text = f"{seen}{beat}."
    text = text[0].upper() + text[1:]
    kept = notices_s is not None and (notices_s == 0 or notices_s > NOTICED.value)
    cause = "no-heartbeat" if not notices_s else "slow-heartbeat" if kept else "not-enforced"
    patience_s = NOTICED.value if notices_s is None else notices_s + GRACE.value
    if gone >= SEVERAL.value and (kept or unheard_s > patience_s):
        return critical(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    if kept:
        return warning(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    return ok(text, *numbers)


def _notices_s(beats: Heartbeats | None, mute: UnansweredPings | None) -> float | None:
    """Return how soon the server closes a dead peer, in seconds; 0: never, None: unknown."""
    if beats is not None:
        return beats.interval_s + beats.timeout_s if beats.interval_s else 0.0
    return (mute.first_ping_s or 0.0) + (mute.closed_after_s or 0.0) if mute and _thrown_out(mute) else None


def _thrown_out(mute: UnansweredPings | None) -> bool:
    return mute is not None and mute.first_ping_s is not None and mute.closed_after_s is not None
