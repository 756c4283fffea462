#!/usr/bin/env -S plumb run
"""Does the server's memory grow without an end in sight, and what grows with it?

Caches fill and clients come, and memory grows. It must not grow while connections stay the same, towards no bound.
"""

from math import inf

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.host.memory import MemoryLimit
from plumbline.streaming.evidence_memory import Compression, MemoryGrowth

LEAST = Threshold(4 << 20, "By", "judgement: allocators take arenas of 1 MiB", "growth that says something")
START = Threshold(3, "s", "judgement: imports take so long on a busy machine", "a start")
SOON = Threshold(
    3600, "s", "judgement: less than an on-call's way to a computer and back", "time to the limit", low=True
)
DAY = Threshold(86400, "s", "judgement: it ends before tomorrow's deploy", "time to the limit", low=True)
PART = Threshold(
    0.5,
    "1",
    "judgement: most of it; a byte counted is one of memory within a quarter (tests/streaming/test_history_cost.py)",
    "part of the growth",
)
CONTEXT = Threshold(200 << 10, "By", "zlib, zconf.h: deflate takes 256 KiB at its defaults", "growth per connection")

IMPACT = (
    "At the limit the kernel kills the server, and drops all its clients at once; it begins anew after the restart."
)
CURES = {
    "channels-without-end": "Bound what channels keep (history_total_bytes, max_channels); no ids in their names.",
    "compression-contexts": "Switch permessage-deflate off, or its context takeover, or take a smaller window.",
    "leak": "Look at what holds it: tracemalloc or memray in Python, a heap snapshot in Node.js and Java.",
}


@diagnostic(timeout_s=90)
def memory_growth(growth: MemoryGrowth, memory: MemoryLimit | None, compression: Compression | None) -> Finding:
    """Hold the time until memory ends against a day, unless clients, queues or a bound that fits explain the growth."""
    grown, slope = Measure("growth", growth.growth_bytes, "By", LEAST), growth.slope_bytes_s
    left = _left(memory) if memory else inf
    end_s = left / slope if slope > 0 else inf
    per_min = Measure("growth_per_min", slope * 60, "By"), Measure("error_per_min", growth.error_bytes_s * 60, "By")
    left_s = Measure("time_left", min(end_s, 1e9), "s", SOON if end_s < SOON.value else DAY)
    numbers = (grown, *per_min, left_s, Measure("private", growth.private_bytes, "By"))
    text = (
        f"Private memory grew by {grown} in {growth.window_s:g} s (limit {LEAST}), {per_min[0]} a minute ± {per_min[1]}"
    )
    young = memory is not None and (memory.process_age_s or inf) < growth.window_s + START.value
    if (
        young
        or growth.growth_bytes < LEAST.value
        or not growth.steady
        or slope < growth.error_bytes_s
        or end_s > DAY.value
    ):
        return ok(f"{text}; {growth.connections or 0} connections{', just started' if young else ''}.", *numbers)
    part, clients = PART.value * growth.growth_bytes, growth.connections_growth or 0
    if (growth.queued_growth_bytes or 0) >= part:
        return ok(f"{text}: its queues grow by as much. That is a slow consumer's.", *numbers)
    cause = "leak"
    if (growth.history_growth_bytes or 0) >= part:
        if (growth.history_limit_bytes or inf) - (growth.history_bytes or 0) < left:
            return ok(f"{text}: kept messages, whose bound fits into memory.", *numbers)
        cause = "channels-without-end"
    elif clients > 0 and growth.growth_bytes / clients < 1 << 20:
        if not (compression and compression.agreed and growth.growth_bytes / clients >= CONTEXT.value):
            return ok(f"{text}: {clients} more connections.", *numbers)
        cause = "compression-contexts"
    kept = Measure("kept", growth.history_growth_bytes or 0, "By")
    text = f"{text}: {kept} of kept messages, {clients:+d} connections; at this rate it ends in {left_s}."
    judge = critical if end_s < SOON.value else warning
    return judge(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])


def _left(memory: MemoryLimit) -> float:
    limit = (memory.limit_bytes or inf) - (memory.working_set_bytes or 0)
    return max(1.0, min(limit, memory.host_available_bytes))
