"""The server's numbers as Prometheus metrics; they are counted elsewhere and only named here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from plumbline.deployment.serving.desk import Desk
from plumbline.deployment.serving.slots import Slot
from plumbline.deployment.serving.tally import LATENCY_S

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
PREFIX = "plumbline_model_"
TEXTS = {
    "requests": "Inference requests by version and outcome; without a version those that reached none.",
    "latency_seconds": "From a request's last byte to its answer; only of predictions that were given.",
    "rows": "Rows predicted.",
    "score": "Distribution of a float output; of two classes the second, of more than 20 the largest.",
    "answers": "Labels answered.",
    "feature_missing": "Values of a feature that were missing; divide by rows for the share.",
    "info": "Versions in memory.",
    "share": "Fraction of requests that a version gets.",
    "inflight": "Requests in flight.",
    "queue_depth": "Requests that wait for the model.",
    "queue_limit": "Requests that may wait.",
    "batch_rows": "Rows per prediction of the model.",
    "joined_predictions": "Predictions that answered several requests.",
    "golden_same": "1 if the last golden prediction gave the expected answers.",
    "epoch": "Highest fencing epoch seen.",
    "loads": "Versions loaded, and failed to.",
    "draining": "1 while the server leaves.",
}
LABELS: dict[str, tuple[str, ...]] = {
    "requests": ("version", "outcome"),
    "latency_seconds": ("version",),
    "rows": ("version",),
    "score": ("version", "output", "class"),
    "answers": ("version", "output", "label"),
    "feature_missing": ("version", "feature"),
    "info": ("model", "version", "digest", "format"),
    "share": ("version",),
    "inflight": ("version",),
    "batch_rows": ("version",),
    "joined_predictions": ("version",),
    "golden_same": ("version",),
    "loads": ("result",),
}
KINDS = {
    **dict.fromkeys(("requests", "rows", "answers", "feature_missing", "joined_predictions", "loads"), "counter"),
    **dict.fromkeys(("latency_seconds", "score", "batch_rows"), "histogram"),
}


def metrics_table() -> str:
    """Return the reference table of all metrics as Markdown; the documentation page carries it verbatim."""
    rows = ["| Metric | Kind | Labels | What it counts |", "|---|---|---|---|"]
    for name, text in TEXTS.items():
        kind = KINDS.get(name, "gauge")
        labels = ", ".join(f"`{one}`" for one in LABELS.get(name, ()))
        rows.append(f"| `{PREFIX}{name}{'_total' if kind == 'counter' else ''}` | {kind} | {labels} | {text} |")
    return "\n".join(rows) + "\n"


class Metrics:
    """Writes the exposition.

    Args:
        desk: Of the server.
        refused: Requests that reached no version, by outcome.
    """

    def __init__(self, desk: Desk, refused: dict[str, int]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Numbers(desk, refused))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return the Prometheus text format."""
        return generate_latest(self._registry)


class _Numbers(Collector):
    def __init__(self, desk: Desk, refused: dict[str, int]) -> None:
        self._desk = desk
        self._refused = refused

    def collect(self) -> Iterator[Metric]:
        slots = list(self._desk.slots.loaded.values())
        yield self._requests(slots)
        yield from _distributions(slots)
        yield from _counts(slots)
        yield from self._gauges(slots)

    def _requests(self, slots: list[Slot]) -> Metric:
        family = _counter("requests")
        for outcome, count in self._refused.items():
            family.add_metric(["", outcome], count)
        for slot in slots:
            for outcome, count in slot.tally.outcomes.items():
                family.add_metric([slot.series, outcome], count)
        return family

    def _gauges(self, slots: list[Slot]) -> Iterator[Metric]:
        desk = self._desk
        status = desk.status()
        info, share, inflight, same = _gauge("info"), _gauge("share"), _gauge("inflight"), _gauge("golden_same")
        for slot in slots:
            info.add_metric([desk.options.model, slot.series, slot.found.digest, slot.found.manifest.format], 1)
            share.add_metric([slot.series], desk.slots.shares.get(slot.key, 0.0))
            inflight.add_metric([slot.series], slot.flying + slot.asked)
            same.add_metric([slot.series], slot.golden.same)
        yield from (info, share, inflight, same)
        loads = _counter("loads")
        for result, count in desk.loads.items():
            loads.add_metric([result], count)
        yield loads
        plain = {
            "queue_depth": status["queue"]["waiting"],
            "queue_limit": status["queue"]["limit"],
            "epoch": status["epoch"],
            "draining": status["draining"],
        }
        for name, value in plain.items():
            yield GaugeMetricFamily(PREFIX + name, TEXTS[name], float(value))


def _distributions(slots: list[Slot]) -> Iterator[Metric]:
    latency, score, batch = _histogram("latency_seconds"), _histogram("score"), _histogram("batch_rows")
    for slot in slots:
        names = [*map(str, LATENCY_S), "+Inf"]
        latency.add_metric(
            [slot.series], list(zip(names, accumulate(slot.tally.latency), strict=True)), slot.tally.latency_s
        )
        for one in slot.tally.scores():
            score.add_metric([slot.series, one.output, one.label], one.cumulative(), one.total)
        seen = slot.runner.seen
        sizes = sorted(seen.sizes)
        below = list(zip(map(str, sizes), accumulate(seen.sizes[size] for size in sizes), strict=True))
        batch.add_metric([slot.series], [*below, ("+Inf", seen.batches)], seen.rows)
    yield from (latency, score, batch)


def _counts(slots: list[Slot]) -> Iterator[Metric]:
    rows, missing = _counter("rows"), _counter("feature_missing")
    answers, joined = _counter("answers"), _counter("joined_predictions")
    for slot in slots:
        rows.add_metric([slot.series], slot.tally.rows)
        joined.add_metric([slot.series], slot.runner.seen.joined)
        for feature, count in slot.tally.missing().items():
            missing.add_metric([slot.series, feature], count)
        for (output, label), count in slot.tally.labels.items():
            answers.add_metric([slot.series, output, label], count)
    yield from (rows, missing, answers, joined)


def _counter(name: str) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, TEXTS[name], labels=LABELS[name])


def _gauge(name: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, TEXTS[name], labels=LABELS[name])


def _histogram(name: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(PREFIX + name, TEXTS[name], labels=LABELS[name])
