#!/usr/bin/env -S plumb run
"""Is one slow consumer holding memory, or publishers, that everyone else needs?

A reader that stops reading fills its queue in the server. Time tells it from a burst: a queue that drains is empty
again within a second. Without an admin socket the kernel is asked how long its send queues have stood still.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.streaming.evidence import OutboundQueue, OutboundQueues

AGEING = Threshold(2.0, "s", "judgement: a live feed that is seconds late is late", "age of the oldest queued message")
STUCK = Threshold(5.0, "s", "judgement: half of NATS's write_deadline (10 s)", "age of the oldest queued message")
HELD = Threshold(1, "{publisher}", "by definition: a held publisher stops its channel", "publishers held back")
KERNEL = Threshold(1 << 20, "By", "tcp(7): a send buffer starts at 16 KiB, grows to 4 MiB", "unsent, one connection")
MANY = Threshold(0.5, "1", "judgement: half of all readers share more than bad luck", "share of connections that lag")

IMPACT = (
    "Memory grows by the publish rate for each slow reader; where the policy is to wait, all readers stall with it."
)
CURES = {
    "everyone-waits": "Let a full queue end its own reader only: overflow=disconnect and a queue of a few seconds.",
    "one-slow-reader": "Bound its queue in bytes and disconnect it when full; then ask why it does not read.",
    "all-are-slow": "Look for what they share: uplink, CPU of the server, one oversized message.",
    "hidden-in-kernel": "Set TCP_NOTSENT_LOWAT (16 KiB), so that the backlog waits where the policy sees it.",
}


@diagnostic
def slow_consumer(queues: OutboundQueues) -> Finding:
    """Hold the oldest message against time, held publishers against none, the kernel's backlog against size."""
    age = max((one.oldest_s or 0.0 for one in queues.queues), default=0.0)
    unsent = max((one.kernel_unsent_bytes or 0 for one in queues.queues), default=0)
    held = queues.held_publishers or 0
    waited = Measure("oldest_queued", age, "s", STUCK if age >= STUCK.value else AGEING)
    stopped = Measure("publishers_held", held, "{publisher}", HELD)
    hidden = Measure("kernel_unsent", unsent, "By", KERNEL)
    queued = Measure("queued", queues.queued_bytes, "By")
    known = [] if queues.held_publishers is None else [stopped]  # from outside, who is held cannot be seen
    numbers = (waited, *known, hidden, queued, Measure("resident", queues.resident_bytes, "By"))
    lagging = sum(_lags(one) for one in queues.queues)
    policy = f"{stopped} held (overflow: {queues.overflow}); " if known else ""
    text = f"{policy}{lagging} of {queues.connections} connections lag: {queued}"
    text += f" queued, the oldest for {waited} (limit {waited.limit}), {hidden} in one kernel buffer (limit {KERNEL})."
    if not (lagging or held):
        return ok(text, *numbers)
    cause = _cause(queues, lagging, held, age)
    judge = critical if held >= HELD.value or age >= STUCK.value else warning
    return judge(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])


def _lags(one: OutboundQueue) -> bool:
    return (one.oldest_s or 0.0) >= AGEING.value or (one.kernel_unsent_bytes or 0) >= KERNEL.value


def _cause(queues: OutboundQueues, lagging: int, held: int, age: float) -> str:
    if held:
        return "everyone-waits"
    if lagging > 1 and lagging >= MANY.value * queues.connections:
        return "all-are-slow"
    return "one-slow-reader" if age >= AGEING.value else "hidden-in-kernel"
