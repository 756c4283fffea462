#!/usr/bin/env -S plumb run
"""Do small messages wait behind large ones on the same connection?

A connection is one line: what was queued first goes first. A reader that keeps up, but needs a second for one large
message, gets every small one behind it a second late. (A reader that takes nothing is a slow consumer.)
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.streaming.evidence_heads import HeadOfLine, QueueHeads

LATE = Threshold(
    0.4, "s", "ITU-T G.114: beyond 400 ms delay is unacceptable for interaction", "wait behind a large one"
)
VERY_LATE = Threshold(5.0, "s", "judgement: half of the usual time-out of a heartbeat", "wait behind a large one")
LARGE = Threshold(64 << 10, "By", "the gateway's default max_message_bytes", "a message that is large by itself")

IMPACT = "Small urgent messages, answers and acknowledgements on that connection arrive late; other connections do not."
CURES = {
    "one-large-message": "Send a link instead of the payload, or give large messages a connection of their own.",
    "bulk-channel": "Give the bulk channel its own connection, or let it coalesce (mode=latest).",
    "deep-send-queue": "Bound what the kernel holds (TCP_NOTSENT_LOWAT), and see what is sent to that peer.",
}


@diagnostic
def head_of_line_blocking(queues: QueueHeads) -> Finding:
    """Hold the wait of what stands behind a much larger message against what interaction bears."""
    held = [one for one in queues.heads if one.moving]
    worst = max(held, key=_wait_s, default=None)
    wait_s = _wait_s(worst) if worst else 0.0
    wait = Measure("wait", wait_s, "s", VERY_LATE if wait_s >= VERY_LATE.value else LATE)
    largest = Measure("largest", (worst.largest_bytes or 0) if worst else 0, "By", LARGE)
    queued = Measure("queued", worst.queued_bytes if worst else 0, "By")
    late = Measure("late", sum(_wait_s(one) >= LATE.value for one in held), "{connection}")
    numbers = (wait, largest, queued, late)
    if worst is None or wait_s < LATE.value:
        text = f"On {queues.connections} connections small messages wait for {wait} at most behind large ones"
        return ok(f"{text} (limit {LATE}).", *numbers)
    cause = _cause(worst)
    behind = (
        f"{worst.behind_messages} messages waited up to {wait}"
        if cause != "deep-send-queue"
        else f"a message waits {wait}"
    )
    front = f"one of {largest}" if cause == "one-large-message" else f"{queued} in the same queue"
    text = f"On {late} of {queues.connections}, {behind} behind {front} (limit {wait.limit})."
    judge = critical if wait_s >= VERY_LATE.value else warning
    return judge(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])


def _wait_s(one: HeadOfLine) -> float:
    return max(one.behind_s or 0.0, one.drain_s or 0.0)


def _cause(one: HeadOfLine) -> str:
    if (one.behind_s or 0.0) < LATE.value:
        return "deep-send-queue"
    return "one-large-message" if (one.largest_bytes or 0) >= LARGE.value else "bulk-channel"
