#!/usr/bin/env -S plumb run
"""Does a model server lose requests that are being answered when its processes end?

Who retries never sees it, so each question is sent once, a few are under way at any time, and the server's processes
are watched meanwhile. Run it during a rollout, a restart or a reload.
"""

from plumbline.deployment.evidence_leaving import Leaving
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

LOST = Threshold(2, "{question}", "judgement: one may be an accident of the network, two are not", "questions lost")

IMPACT = "Each deployment, restart and scale-down loses requests: a POST that was cut is not sent again by itself."
NEXT = {
    "grace-too-short": ("Grant more time than the longest answer takes", "Take the server out of the proxy first"),
    "no-drain": ("Handle SIGTERM: take nothing new, answer what is under way, end", "Take it out of the proxy first"),
    "closing-upstream": ("Take the server out of the proxy before it is told to end", "Wait until it has none left"),
}


@diagnostic(timeout_s=40)
def in_flight_requests_dropped(seen: Leaving) -> Finding:
    """Hold what was lost against the processes that ended."""
    cut = Measure("cut", seen.cut, "{question}", LOST)
    away = Measure("turned_away", seen.turned_away, "{question}", LOST)
    longest = Measure("longest", seen.longest_s, "s")
    numbers = (cut, away, longest, Measure("ended", seen.ended or 0, "{process}"))
    meanwhile = "" if seen.ended is None else f" while {seen.ended} processes of the server ended"
    text = f"Of {seen.asked} questions, each sent once, {cut} were cut and {away} found nobody{meanwhile} "
    text += f"(limit {LOST} each); the longest answer took {longest}"
    lost = max(seen.cut, seen.turned_away) >= LOST.value
    if lost and seen.ended == 0:
        return unknown(f"{text}. Is the target's pid that of the server or its parent, not of a proxy?", *numbers)
    if lost:
        cause = _cause(seen)
        judge = warning if seen.ended is None else critical
        return judge(f"{text}.", *numbers, cause=cause, impact=IMPACT, next=NEXT[cause])
    if seen.granted_s is not None and seen.granted_s < seen.longest_s:
        told = f"{text}, and the server is started with a grace of {seen.granted_s:g} s."
        return warning(told, *numbers, cause="grace-too-short", impact=IMPACT, next=NEXT["grace-too-short"])
    return ok(f"{text}{'' if seen.ended else ': no end of a process was seen'}.", *numbers)


def _cause(seen: Leaving) -> str:
    if seen.turned_away > seen.cut:
        return "closing-upstream"
    return "no-drain" if seen.ended and seen.deaf == seen.ended else "grace-too-short"
