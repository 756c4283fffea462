#!/usr/bin/env -S plumb run
"""Are connections closed because a message is larger than the other side takes?

A message over the limit ends its connection with code 1009; who sends it again after the reconnect never gets through.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.streaming.evidence_refusals import RefusedMessage, RefusedMessages

RECENT = Threshold(60, "s", "judgement: the longest pause of most reconnecting clients", "a refusal is recent for")
HABIT = Threshold(2, "{message}", "judgement: one is an accident, two are a habit", "recent refusals")
LOOP = Threshold(10, "{message}", "judgement: one every six seconds is a reconnect loop", "recent refusals")
ALIKE = Threshold(0.02, "1", "judgement: counters and time stamps vary by less", "spread of one message's size")

IMPACT = "The message is lost, and so is all else on its connection; a sender that tries again stays in a loop."
CURES = {
    "limit-too-low": "Raise the server's limit above the largest message that is meant (max_message_bytes).",
    "one-sender": "Find that client; after a 1009 it must drop or split the message, not send it again.",
    "readers-refuse": "Raise the limit in the clients' library (websockets: max_size), or publish smaller messages.",
}


@diagnostic
def message_too_large(messages: RefusedMessages) -> Finding:
    """Count recent refusals of messages that would be refused again; sizes and addresses tell whose they are."""
    recent = [one for one in messages.refused if one.ago_s <= RECENT.value]
    limit = messages.limit_bytes
    ours = [one for one in recent if one.by == "server" and (one.size_bytes is None or one.size_bytes > (limit or 0))]
    theirs = [one for one in recent if one.by == "peer"]
    found = max(ours, theirs, key=len)
    number = len(found) or messages.counted or 0
    count = Measure("refused", number, "{message}", LOOP if number >= LOOP.value else HABIT)
    largest = Measure("largest", max((one.size_bytes or 0 for one in found), default=0), "By")
    known = Measure("limit", limit or messages.taken_bytes or 0, "By")
    numbers = tuple(one for one in (count, largest, known) if one.value or one is count)
    if messages.counted is None and limit is None:
        taken, refused = known if known.value else "less than 1 KiB", messages.too_large_bytes
        above = f"{Measure('refused', refused, 'By')} are refused" if refused else "no limit was found up to 64 MiB"
        return unknown(
            f"Messages of {taken} are let in, {above}; who sends larger ones cannot be seen from here", known
        )
    span = f"{messages.window_s:g} s" if messages.counted is not None else f"{RECENT}"
    sizes = f", the largest {largest} (limit {known})" if largest.value else ""
    text = f"{count} refused with code 1009 in the last {span}{sizes}; {count.limit} are too many."
    if number < HABIT.value:
        return ok(text, *numbers)
    cause = "readers-refuse" if found is theirs and theirs else _whose(found)
    return (critical if number >= LOOP.value else warning)(
        text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause]
    )


def _whose(found: list[RefusedMessage]) -> str:
    sizes = [one.size_bytes or 0 for one in found]
    alike = bool(sizes) and max(sizes) - min(sizes) <= ALIKE.value * max(sizes)
    return (
        "one-sender"
        if len(found) > HABIT.value and alike and len({one.peer for one in found}) == 1
        else "limit-too-low"
    )
