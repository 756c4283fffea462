"""A cache's counters as Prometheus metrics of the process that it stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX = "plumbline_cache_"
COUNTERS = {
    "hits": ("hits", "Values answered fresh."),
    "misses": ("misses", "Values that were not there, or too old."),
    "stale_served": ("stale_served", "Values answered stale, while they were computed anew."),
    "failures_served": ("failures_served", "Askers told that the computation failed a moment ago."),
    "loads": ("loads", "Values computed by this process."),
    "load_failures": ("load_failures", "Computations that failed."),
    "overlapped": ("overlapping_loads", "Computations begun while this process computed the same key: a stampede."),
    "joined": ("joined", "Askers that shared the computation of another one in this process."),
    "waits": ("waits", "Times that a computation of another process was waited for, a look each."),
    "fenced": ("fenced", "Results that came too late to be stored."),
    "too_large": ("too_large", "Values answered and not kept."),
    "store_errors": ("store_errors", "Times that the store could not be reached."),
}
GAUGES = {
    "loading": ("loading", "Computations that run."),
    "most_at_once": ("most_at_once", "Most computations of one key that ran at once."),
}


class CacheMetrics(Collector):
    """Collects a cache's numbers: `prometheus_client.REGISTRY.register(CacheMetrics(cache.stats))`.

    Args:
        read: Returns the cache's `stats`.
    """

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield each number as a metric."""
        stats = self._read()
        for key, (name, text) in COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, text, stats[key])
        for key, (name, text) in GAUGES.items():
            yield GaugeMetricFamily(PREFIX + name, text, stats[key])


def cache_metrics_table() -> str:
    """Return the reference table of a cache's metrics as Markdown; the documentation page carries it verbatim."""
    rows = ["| Metric | Kind | What it counts |", "|---|---|---|"]
    rows += [f"| `{PREFIX}{name}_total` | counter | {text} |" for name, text in COUNTERS.values()]
    rows += [f"| `{PREFIX}{name}` | gauge | {text} |" for name, text in GAUGES.values()]
    return "\n".join(rows) + "\n"
