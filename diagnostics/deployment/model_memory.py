#!/usr/bin/env -S plumb run
"""Does the model server's memory grow with each model that it loads?

A new version comes, the old one goes: memory rises for a moment, and comes back. What stays of each load adds up until
the kernel ends the server. Mapped weights are not counted, and one step is none: allocators keep what was freed.
"""

from plumbline.deployment.evidence_growing import ServerMemory
from plumbline.diagnosis import Finding, Measure, Threshold, diagnostic, ok, warning
from plumbline.host.memory import MemoryLimit

PER_LOAD = Threshold(
    100_000, "By", "a server without a leak keeps 8,700 (benchmarks/deployment/reloads.py, 300 loads)", "kept of a load"
)
LOADS = Threshold(3, "{load}", "judgement: fewer may be one step of an allocator", "loads that say something", low=True)
LEAST = Threshold(1 << 20, "By", "judgement: allocators take arenas of 1 MiB", "growth that says something")
WITHOUT = Threshold(8 << 20, "By", "judgement: caches and pools of a start stay below", "growth without loads")
PART = Threshold(0.5, "1", "judgement: most of it", "part that comes between loads")
IMPACT = "At its limit the kernel kills the server, with all requests in it; the next one begins from a low level."
NEXT = {
    "kept-on-reload": "Look at what holds the old version: lists of versions, caches by version, threads, closures.",
    "grows-with-time": "Look at what requests leave: caches without a bound, logs of inputs, sessions for each shape.",
}


@diagnostic(timeout_s=400)
def model_memory(memory: ServerMemory, limit: MemoryLimit | None) -> Finding:
    """Divide the growth by the loads, unless it comes between them."""
    loads = memory.loads or 0
    grown = Measure("growth", memory.growth_bytes, "By", LEAST if loads else WITHOUT)
    kept = Measure("kept_per_load", memory.growth_bytes / loads if loads else 0, "By", PER_LOAD)
    between = Measure("between_loads", memory.quiet_growth_bytes, "By")
    numbers = (grown, kept, between, Measure("loads", loads, "{load}", LOADS))
    text = (
        f"Private memory went from {_size(memory.private_bytes - memory.growth_bytes)} to {_size(memory.private_bytes)}"
    )
    text += f" in {memory.window_s:g} s, with {memory.loads if memory.loads is not None else 'unknown'} loads"
    text += f" and {memory.requests if memory.requests is not None else 'unknown'} requests"
    if memory.growth_bytes < LEAST.value or not memory.steady:
        return ok(f"{text}: level, or a single step.", *numbers)
    if memory.quiet >= 3 and memory.quiet_growth_bytes >= PART.value * memory.growth_bytes:
        loads = 0
    if loads >= LOADS.value and kept.value > PER_LOAD.value:
        threads = f", {memory.threads_growth:+d} threads" if memory.threads_growth >= loads else ""
        said = f"{text}: {kept} stays of each load (limit {PER_LOAD}){threads}{_left(memory, limit, kept.value)}."
        return warning(said, *numbers, cause="kept-on-reload", impact=IMPACT, next=NEXT["kept-on-reload"])
    if loads < LOADS.value and memory.growth_bytes >= WITHOUT.value:
        said = f"{text}: it grew by {grown} (limit {WITHOUT}), {between} of it between loads."
        return warning(said, *numbers, cause="grows-with-time", impact=IMPACT, next=NEXT["grows-with-time"])
    return ok(f"{text}: {kept} stays of each load (limit {PER_LOAD}), {between} comes between loads.", *numbers)


def _size(count: float) -> str:
    return str(Measure("size", count, "By"))


def _left(memory: ServerMemory, limit: MemoryLimit | None, kept: float) -> str:
    """Say how many more loads the memory bears, where a control group limits it."""
    if limit is None or not limit.limit_bytes:
        return ""
    left = max(0, limit.limit_bytes - (limit.working_set_bytes or memory.private_bytes))
    return f"; {round(left / kept):,} more until its limit of {_size(limit.limit_bytes)}"
