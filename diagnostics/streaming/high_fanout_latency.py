#!/usr/bin/env -S plumb run
"""Does one message take long because it goes to very many readers?

The last of n readers waits for n sends. A send costs the kernel some microseconds in any language, so readers times
messages per second has a ceiling per processor. The cost per delivery is held against a send measured on this machine.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.streaming.evidence import FanOut

MANY = Threshold(50, "{reader}", "judgement: 50 sends are half a millisecond; delay has other reasons", "readers")
LATE = Threshold(0.1, "s", "Nielsen: 0.1 s is felt as at once", "until the last reader has it, from the work alone")
BUSY = Threshold(0.85, "1", "judgement: waiting grows as 1 / (1 - load), sevenfold here", "share of its processors")
DEAR = Threshold(5.0, "1", "judgement: bare server 1, gateway below 2; encoding per reader 5", "cost, to a bare send")
WAITING = Threshold(0.5, "1", "judgement: half the time is not bad luck", "ready, and others had the processor")
LAGGING = Threshold(0.5, "s", "judgement: five times what is felt", "lateness of the event loop")

IMPACT = "Readers of busy channels get messages late, and later the more there are; queues grow to their limits."
CURES = {
    "too-many-deliveries": "Deliver less: join messages, latest only, fewer readers per channel; or add workers.",
    "dear-deliveries": "Find what is done for each reader: compression, encoding, TLS, a lock, logging.",
    "processor-taken": "Other processes have its processor: move them, give it more weight, or pin it.",
}


@diagnostic
def high_fanout_latency(fanout: FanOut) -> Finding:
    """Hold the work per message against time, and all of it against the processors."""
    readers = Measure("readers", fanout.readers, "{reader}", MANY)
    rate = fanout.deliveries / fanout.window_s
    lag = Measure("loop_lag", fanout.loop_lag_s, "s", LAGGING)
    text = f"{readers} per message, {rate:.0f} deliveries per second"
    if fanout.readers < MANY.value:
        return ok(f"{text}: no large fan-out.", readers)
    if fanout.cost_s is None or fanout.busy is None or fanout.last_reader_s is None:
        if fanout.loop_lag_s < LAGGING.value:
            return ok(f"{text}; its event loop was late by {lag} at most.", readers, lag)
        return warning(f"{text}; its event loop was late by {lag}.", readers, lag, **_told("too-many-deliveries"))
    busy, late = Measure("busy", fanout.busy, "1", BUSY), Measure("last_reader", fanout.last_reader_s, "s", LATE)
    cost, floor = Measure("cost", fanout.cost_s, "s"), Measure("floor", fanout.floor_s or 0.0, "s")
    taken = Measure("waiting", (fanout.waited_s or 0.0) / fanout.window_s, "1", WAITING)
    text += f" at {cost} each (a bare send: {floor}): the last reader after {late} (limit {LATE}), {busy} of"
    text += f" {fanout.cores:g} processors busy (limit {BUSY})."
    numbers = (readers, late, busy, cost, floor, taken, lag)
    hot = fanout.busy >= BUSY.value
    starved = taken.value >= WAITING.value and fanout.loop_lag_s >= LAGGING.value
    if not (hot or late.value >= LATE.value or starved):
        return ok(text, *numbers)
    cause = "too-many-deliveries" if hot or late.value >= LATE.value else "processor-taken"
    if cause == "too-many-deliveries" and floor.value and cost.value >= DEAR.value * floor.value:
        cause = "dear-deliveries"
    return (critical if hot else warning)(text, *numbers, **_told(cause))


def _told(cause: str) -> dict[str, str]:
    return {"cause": cause, "impact": IMPACT, "next": CURES[cause]}
