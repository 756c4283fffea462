#!/usr/bin/env -S plumb run
"""Are clients that are long gone still counted, kept and sent to?

A peer that vanishes without a word (cable, radio, NAT entry) sends no FIN: only what waits for an answer notices.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.streaming.evidence_peers import Peers, UnansweredPings

SEVERAL = Threshold(3, "{connection}", "judgement: one or two are in a tunnel", name="unreachable peers")
NOTICED = Threshold(120, "s", "judgement: four heartbeats of 25 s and their answers", name="longest time to notice")

IMPACT = (
    "They hold memory and places that others are refused for; presence and counts are wrong, and messages go to nobody."
)
CURES = {
    "no-heartbeat": "Send heartbeats and close who does not answer: 25 s and 10 s suit most.",
    "slow-heartbeat": "Shorten heartbeat interval and time-out: together they are how long a dead peer stays.",
    "not-enforced": "Find why the server does not close who does not answer: see its log for heartbeat time-outs.",
}


@diagnostic(timeout_s=150)
def dead_peer_unnoticed(peers: Peers | None, mute: UnansweredPings | None) -> Finding:
    """Hold what the kernel knows of the peers against how soon the server would notice."""
    if peers is None:
        return _from_outside(mute)
    lost = Measure("unreachable", peers.unreachable, "{connection}", SEVERAL)
    unheard = Measure("longest_unheard", round(peers.longest_unheard_s, 1), "s")
    notices_s = _notices_s(peers, mute)
    numbers = [lost, Measure("connections", peers.connections, "{connection}"), unheard]
    if notices_s:
        numbers.append(Measure("notices_after", notices_s, "s", NOTICED))
    beat = f"the server notices after {notices_s or 0:g} s (limit {NOTICED})"
    if not notices_s:
        beat = "how soon the server notices is unknown" if notices_s is None else "the server sends no heartbeat"
    text = f"{lost} of {peers.connections} answer nothing, {unheard} at most (limit {SEVERAL}); {beat}."
    patience_s = NOTICED.value if notices_s is None else notices_s + 5
    cause = "no-heartbeat" if not notices_s else "slow-heartbeat" if notices_s > NOTICED.value else "not-enforced"
    kept = notices_s is not None and (notices_s == 0 or notices_s > NOTICED.value)
    if lost.value >= SEVERAL.value and (kept or unheard.value > patience_s):
        return critical(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    if kept:
        return warning(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    return ok(text, *numbers)


def _notices_s(peers: Peers, mute: UnansweredPings | None) -> float | None:
    """Return how soon the server closes a dead peer, in seconds; 0: never, None: unknown."""
    if peers.heartbeat_interval_s is not None:
        interval_s = peers.heartbeat_interval_s
        return interval_s + (peers.heartbeat_timeout_s or 0.0) if interval_s else 0.0
    seen = mute is not None and mute.first_ping_s is not None and mute.closed_after_s is not None
    return mute.first_ping_s + mute.closed_after_s if mute is not None and seen else None


def _from_outside(mute: UnansweredPings) -> Finding:
    watched = Measure("watched", mute.watched_s, "s")
    if mute.first_ping_s is None:
        what = "closed us, and sent no ping" if mute.closed_after_s is not None else "sent no ping"
        return unknown(f"The server {what} in {watched}: set the target's patience_s above its interval.", watched)
    if mute.closed_after_s is None:
        return unknown(f"It pings, and did not close who is mute within {watched}: set patience_s higher.", watched)
    total = Measure("notices_after", mute.first_ping_s + mute.closed_after_s, "s", NOTICED)
    text = f"A client that answers no ping is closed {total} after it connected (limit {NOTICED})."
    if total.value > NOTICED.value:
        return warning(text, total, cause="slow-heartbeat", impact=IMPACT, next=CURES["slow-heartbeat"])
    return ok(text, total)
