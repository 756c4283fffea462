#!/usr/bin/env -S plumb run
"""Does an autoscaler go to and fro, so that the same replicas come and go again and again?

Judged is how often the direction changed in the last hour, as long as it goes on. The swing's period against the
window, its size, and the load at each change tell the causes apart.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.streaming.evidence_scaling import Scaled, ScaleEvents

TURNS = Threshold(3, "{turn}", "judgement: up, down, up, down is no accident", "changes of direction in an hour")
BAD = Threshold(6, "{turn}", "judgement: a swing every twenty minutes, for each connection", "changes of direction")
OVER = Threshold(2, "1", "judgement: two periods without a turn end a swing", "periods since the last turn")
SAME = Threshold(0.2, "1", "judgement: twice the HPA's tolerance of 0.1", "difference of the load at ups and downs")
WINDOW = Threshold(300, "s", "Kubernetes: default of --horizontal-pod-autoscaler-downscale-stabilization", "window")

IMPACT = "Each time a replica goes, all of its clients reconnect, and those that come find a replica too few."
CURES = {
    "window-too-short": "Make the stabilisation window for shrinking longer than two periods of the swing.",
    "metric-follows-replicas": "Scale by a total that does not fall when replicas are added, such as all connections.",
    "noise": "Raise the tolerance above the metric's noise, or average the metric over a longer time.",
}


@diagnostic
def autoscaler_flapping(events: ScaleEvents) -> Finding:
    """Judge what turned most often."""
    worst = max(events.scaled, key=lambda one: len(one.turns))
    turns, period = Measure("turns", len(worst.turns), "{turn}", TURNS), worst.period_s
    if turns.value < TURNS.value or period is None:
        return ok(f"{worst.name}: {len(worst.events)} changes in the last hour, {turns} (limit {TURNS}).", turns)
    since = Measure("periods_since", worst.turns[-1].ago_s / max(period, 1e-9), "1", OVER)
    swing = Measure("period_s", period, "s")
    moved = Measure("moved", worst.moved, "{connection}")
    seen = " ".join(str(one.after) for one in worst.events[-6:])
    text = f"{worst.name} changed direction {turns.value:g} times (limit {TURNS}), every {swing}: {seen}."
    if since.value > OVER.value:
        return ok(f"{text} The last was {since.value:.1f} periods ago: it has ended.", turns, since, swing)
    cause, judge = _cause(worst, period), critical if turns.value >= BAD.value else warning
    sentence = f"{text} {moved} had to go elsewhere." if moved.value else text
    return judge(sentence, turns, swing, moved, since, cause=cause, impact=IMPACT, next=CURES[cause])


def _cause(one: Scaled, period: float) -> str:
    ups = [event.load for event in one.events if event.load and event.after > event.before]
    downs = [event.load for event in one.events if event.load and event.after < event.before]
    if ups and downs and abs(sum(ups) / len(ups) - sum(downs) / len(downs)) <= SAME.value * sum(ups) / len(ups):
        small = all(abs(event.after - event.before) == 1 and event.before > 2 for event in one.events)
        return "noise" if small else "metric-follows-replicas"
    return "window-too-short" if (one.down_window_s or 0) < max(WINDOW.value, 2 * period) else "metric-follows-replicas"
