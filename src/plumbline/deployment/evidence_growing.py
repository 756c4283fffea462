"""A model server's memory beside what it loaded and answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, linux_only, looking_into, measured, pid_of

SHORTEST_S, LONGEST_S = 3.0, 300.0


@dataclass(frozen=True, slots=True)
class ServerMemory:
    """A model server's private memory over a window, and what it did in it."""

    window_s: float = measured("s", "how long it was watched: the target's patience_s, 3 s to 300 s")
    private_bytes: int = measured("By", "its own pages at the end, swapped ones too; mapped weights are not among them")
    growth_bytes: int = measured("By", "how much that grew")
    steady: bool = measured("1", "both halves of the window grew: no single step")
    loads: int | None = measured("{load}", "models that it loaded meanwhile; None: it does not say")
    requests: int | None = measured("{request}", "requests that it had meanwhile; None: it does not say")
    quiet: int = measured("1", "thirtieths of the window with no load in them, nor beside them")
    quiet_growth_bytes: int = measured("By", "growth in these, put on the whole window")
    mapped_growth_bytes: int = measured("By", "growth of mapped files: page cache, which gives way")
    threads_growth: int = measured("{thread}", "threads at the end more than at the beginning")
    sources: ClassVar[tuple[Source, ...]] = ()


def memory_from_metrics(endpoint: Endpoint) -> ServerMemory:
    """Watch the process and its page of metrics, which counts loads and requests.

    Raises:
        UnavailableError: Not on Linux, no such process, or no such page.
    """
    from plumbline.deployment.probes.growing import fetched

    url = endpoint.metrics or f"{(endpoint.url or '').rstrip('/')}/metrics"
    return _watched(endpoint, lambda: fetched(url))


def memory_from_pid(endpoint: Endpoint) -> ServerMemory:
    """Watch the process alone.

    Raises:
        UnavailableError: Not on Linux, or no such process.
    """
    return _watched(endpoint, lambda: None)


def _watched(endpoint: Endpoint, page: Callable[[], str | None]) -> ServerMemory:
    from plumbline.deployment.probes.growing import split, watch

    linux_only("another process's private memory can be read on Linux only")
    pid = pid_of(endpoint)
    window_s = min(max(endpoint.patience_s, SHORTEST_S), LONGEST_S)
    with looking_into(pid):
        looks = watch(pid, window_s, page)
    first, last, seen = looks[0], looks[-1], split(looks)
    if (last.loads or 0) < (first.loads or 0):
        raise UnavailableError("unreachable", f"process {pid} began anew while it was watched")
    return ServerMemory(
        window_s=window_s,
        private_bytes=last.private,
        growth_bytes=seen.growth,
        steady=seen.steady,
        loads=_more(first.loads, last.loads),
        requests=_more(first.requests, last.requests),
        quiet=seen.quiet,
        quiet_growth_bytes=seen.quiet_growth,
        mapped_growth_bytes=last.mapped - first.mapped,
        threads_growth=last.threads - first.threads,
    )


def _more(before: float | None, after: float | None) -> int | None:
    return round(after - before) if before is not None and after is not None else None


_READS = "memory of process {pid} some thirty times in {patience_s} s (at least 3 s)"
ServerMemory.sources = (
    Source(
        frozenset({"pid", "model", "metrics"}),
        f"{_READS}, and {{metrics}} beside it",
        memory_from_metrics,
        window_s=SHORTEST_S,
    ),
    Source(
        frozenset({"pid", "model", "url"}),
        f"{_READS}, and the page `metrics` of {{url}} beside it",
        memory_from_metrics,
        window_s=SHORTEST_S,
    ),
    Source(frozenset({"pid", "model"}), _READS, memory_from_pid, window_s=SHORTEST_S),
)
