#!/usr/bin/env -S plumb run
"""Do clients lose messages or their connections each time the server is stopped?

A server that lets clients go needs time between the signal and its end. Who is killed before cannot say so, so the
process notes on its way how far it got, and the next one tells. Before the first time, the two durations are compared.
"""

from math import inf

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.streaming.evidence import End, Shutdowns

RECENT = Threshold(86400, "s", "judgement: one day holds the last deployment", name="an end is recent for")
ANYBODY = Threshold(1, "{connection}", "by definition: a drain cuts nobody", name="clients cut off by a kill")
LOSS = Threshold(1, "{message}", "by definition: a drain loses nothing", name="messages that were not sent")

IMPACT = "Each deployment and scale-down resets connections: messages are lost, and everybody reconnects at once."
CURES = {
    "grace-shorter-than-drain": "Grant more time than the drain needs: TimeoutStopSec=, terminationGracePeriodSeconds.",
    "no-drain": "Let clients go over a window: drain_s above 0, and SIGTERM instead of SIGINT or SIGKILL.",
    "readers-cut": "Some readers do not keep up: a longer drain_s, or a bound on what may wait for them.",
}


@diagnostic
def graceful_shutdown_drops(shutdowns: Shutdowns) -> Finding:
    """Judge the last end if it is known, else the time that the next one is granted."""
    recent = [one for one in shutdowns.ends if one.ago_s <= RECENT.value]
    for cause, found in (("grace-shorter-than-drain", _killed), ("no-drain", _at_once), ("readers-cut", _lossy)):
        ends = [one for one in recent if found(one)]
        if ends:
            return _red(cause, max(ends, key=lambda one: one.connections or 0))
    needed, granted = shutdowns.needed_s, shutdowns.granted_s
    if needed is not None and granted is not None and granted < needed:
        room, need = Measure("granted", granted, "s"), Measure("needed", needed, "s")
        cause, text = "grace-shorter-than-drain", f"{shutdowns.supervisor} kills after {room}; the drain needs {need}."
        return warning(text, room, need, cause=cause, impact=IMPACT, next=CURES[cause])
    if shutdowns.drain_s == 0 or granted == 0:
        text = "Clients are closed at the moment the server is told to stop: there is no drain."
        return warning(text, cause="no-drain", impact=IMPACT, next=CURES["no-drain"])
    if shutdowns.drain_s is None and not recent:
        return unknown(f"{shutdowns.supervisor} grants {granted or inf:g} s; how long the server needs is not known.")
    drained = [f"{one.connections} clients in {one.took_s or 0:.1f} s" for one in recent if one.how == "drained"]
    last = f"the last end let go {', '.join(drained)}" if drained else "no end was noted that cut anybody"
    over = "a time that is not known now" if shutdowns.drain_s is None else f"{shutdowns.drain_s:g} s"
    return ok(f"Clients are let go over {over}; {last}.")


def _killed(one: End) -> bool:
    return one.how == "draining" and (one.connections or 0) >= ANYBODY.value


def _at_once(one: End) -> bool:
    return one.how in ("stopped", "drained") and not one.within_s and (one.cut or 0) >= ANYBODY.value


def _lossy(one: End) -> bool:
    return one.how == "drained" and (one.lost or 0) >= LOSS.value


def _red(cause: str, one: End) -> Finding:
    cut = Measure(
        "cut", (one.connections if cause == "grace-shorter-than-drain" else one.cut) or 0, "{connection}", ANYBODY
    )
    lost = Measure("lost", one.lost or 0, "{message}", LOSS)
    took, window = Measure("took", one.took_s or 0, "s"), Measure("window", one.within_s or 0, "s")
    text = {
        "grace-shorter-than-drain": f"The last process was killed {took} into its drain of {window}: {cut} cut off.",
        "no-drain": f"The last process closed {cut} at once, without a drain; {lost} were not sent.",
        "readers-cut": f"The last drain ({window}) cut {cut}, and {lost} were not sent.",
    }[cause]
    judge = warning if cause == "readers-cut" else critical
    return judge(text, cut, lost, took, window, cause=cause, impact=IMPACT, next=CURES[cause])
