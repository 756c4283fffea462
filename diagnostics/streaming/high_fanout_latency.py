#!/usr/bin/env -S plumb run
"""Does one message take long because it goes to very many readers?

The last of n readers waits for n sends. A send costs the kernel some microseconds in any language, so readers times
messages per second has a ceiling per processor. The cost per delivery is held against a send measured on this machine.
From outside, messages of our own show whether readers have to wait, or miss some; why, only the server's numbers tell.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.streaming.evidence import FanOut
from plumbline.streaming.evidence_roundtrip import RoundTrip

MANY = Threshold(50, "{reader}", "judgement: 50 sends are half a millisecond; delay has other reasons", "readers")
LATE = Threshold(0.1, "s", "Nielsen: 0.1 s is felt as at once", "until the last reader has it, from the work alone")
BUSY = Threshold(0.85, "1", "judgement: waiting grows as 1 / (1 - load), sevenfold here", "share of its processors")
DEAR = Threshold(5.0, "1", "judgement: bare server 1, gateway below 2; encoding per reader 5", "cost, to a bare send")
WAITING = Threshold(0.5, "1", "judgement: half the time is not bad luck", "ready, and others had the processor")
LAGGING = Threshold(0.5, "s", "judgement: five times what is felt", "lateness of the event loop")
SEEN_LATE = Threshold(
    0.2, "s", "Nielsen: 0.1 s is felt as at once; joining messages may take as much", "last of our readers, half of all"
)
VERY_LATE = Threshold(1.0, "s", "Nielsen: 1 s interrupts the flow of thought", "our readers: half, or the slowest 1 %")
LOST = Threshold(1, "{message}", "by definition: a reader that reads misses nothing", "lost at some of our readers")
ITSELF = Threshold(0.5, "1", "judgement: half of it may be the probe's own", "own delay of the probe, of the delay")

IMPACT = "Readers of busy channels get messages late, and later the more there are; queues grow to their limits."
MISSED = "Clients that read as fast as they can miss messages that others get, and are told nothing of it."
CURES = {
    "too-many-deliveries": "Deliver less: join messages, latest only, fewer readers per channel; or add workers.",
    "dear-deliveries": "Find what is done for each reader: compression, encoding, TLS, a lock, logging.",
    "processor-taken": "Other processes have its processor: move them, give it more weight, or pin it.",
    "seen-from-outside": "See its processor by thread (pidstat -t); a gateway's admin socket and pid tell more.",
    "readers-miss-messages": "See whether all servers at the address share a broker, and what their logs say of drops.",
}


@diagnostic(timeout_s=40)
def high_fanout_latency(fanout: FanOut | None, trip: RoundTrip | None) -> Finding:
    """Hold the work per message against time, and all of it against the processors; then ask readers of our own."""
    deeper = _worked(fanout) if fanout else None
    if trip is None:
        return deeper or unknown("Neither the server's numbers nor messages of our own are there.")
    seen = _seen(trip)
    return deeper if deeper and (deeper.status.red or not seen.status.red) else seen


def _worked(fanout: FanOut) -> Finding:
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


def _seen(trip: RoundTrip) -> Finding:
    """Judge what our readers got: what some of them miss, then what was late; what nobody got may be our own fault."""
    sent = f"{trip.published} probe messages to {trip.readers} readers of our own"
    ended = f"; the server ended {trip.ended} of our connections meanwhile" if trip.ended else ""
    if trip.p50_s is None or trip.p99_s is None or trip.last_reader_s is None:
        why = "the texts in the target's table fanout do not fit this server, or it delivers nothing"
        return unknown(f"Of {sent} none arrived within {trip.waited_s:.1f} s{ended}: {why}.")
    typical, worst = (max(0.0, one - trip.round_trip_s) for one in (trip.last_reader_s, trip.p99_s))
    last = Measure("last_reader", typical, "s", VERY_LATE if typical >= VERY_LATE.value else SEEN_LATE)
    half, p99 = Measure("p50", trip.p50_s, "s"), Measure("p99", trip.p99_s, "s", VERY_LATE)
    lost, left = Measure("lost", trip.lost, "{message}", LOST), Measure("outstanding", trip.outstanding, "{message}")
    numbers = (last, half, p99, lost, left)
    text = f"Of {sent} half of the arrivals took {half}, 99 % {p99} (limit {p99.limit}), a message's last reader {last}"
    text += f" (limit {last.limit}) besides the way there and back"
    text += f"; {lost} lost" if trip.lost else ""
    text += f"; {left} not there after {trip.waited_s:.1f} s, {trip.silent} readers got nothing" if left.value else ""
    text += ended
    if trip.lost >= LOST.value:
        return critical(f"{text}.", *numbers, **_told("readers-miss-messages"))
    if typical >= SEEN_LATE.value or worst >= VERY_LATE.value:
        if trip.own_delay_s >= ITSELF.value * max(typical, worst):
            return unknown(f"{text}; but this program was late by {trip.own_delay_s:.2f} s itself.", *numbers)
        return _late(trip, typical, f"{text}.", *numbers)
    if trip.nowhere or trip.ended:
        text += (
            f"; {trip.nowhere} reached nobody: refused (a limit for publishers?), or dropped" if trip.nowhere else ""
        )
        return unknown(f"{text}.", *numbers)
    return ok(f"{text}.", *numbers)


def _late(trip: RoundTrip, typical: float, text: str, *numbers: Measure) -> Finding:
    """Readers that got nothing, while others got all at once, miss messages; else all of them are late."""
    others = trip.arrived >= (trip.readers - trip.silent) * trip.published
    cause = "readers-miss-messages" if trip.silent and others else "seen-from-outside"
    judge = critical if typical >= VERY_LATE.value or cause == "readers-miss-messages" else warning
    return judge(text, *numbers, **_told(cause))


def _told(cause: str) -> dict[str, str]:
    return {"cause": cause, "impact": MISSED if cause == "readers-miss-messages" else IMPACT, "next": CURES[cause]}
