"""The gateway's numbers as Prometheus metrics; they are counted elsewhere and only named here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "plumbline_gateway_"

GAUGES = {
    "connections": ("connections", "Open WebSocket connections."),
    "handshakes_waiting": ("handshakes_waiting", "Accepted sockets without a complete request."),
    "channels": ("channels", "Channels that are read here, or were a moment ago."),
    "subscriptions": ("subscriptions", "Subscriptions of all connections."),
    "accept_queue": ("accept_queue", "Connections that wait in the kernel to be accepted."),
    "accept_backlog": ("accept_backlog", "Connections that may wait there: the effective listen backlog."),
    "members": ("members", "Clients of this gateway that announced themselves in a channel, once per channel."),
    "history_bytes": (
        "history_bytes",
        "Memory that messages kept for recovery take in the in-process broker, objects included.",
    ),
    "requests_pending": ("requests_pending", "Requests that wait for the broker's answer."),
    "held_publishers": ("held_publishers", "Publishers that are not read from because a reader is slow."),
    "queued_bytes": ("queued_bytes", "Bytes that wait to be sent."),
    "queued_messages": ("queued_messages", "Messages that wait to be sent."),
    "fullest_queue_bytes": ("fullest_queue_bytes", "Bytes in the fullest outbound queue."),
    "loop_lag_s": ("loop_lag_seconds", "Worst lateness of the event loop in the last 10 to 20 seconds."),
}
COUNTERS = {
    "log_lines_dropped": ("log_lines_dropped", "Log lines forgotten because nobody read them."),
    "tls_busy_s": ("tls_handshake_busy_seconds", "Time of the event loop spent in TLS handshakes."),
    "accepted": ("accepted", "TCP connections accepted."),
    "handshake_timeouts": ("handshake_timeouts", "Connections without a complete request in time."),
    "published": ("published", "Messages published."),
    "deliveries": ("deliveries", "Messages handed to readers."),
    "coalesced": ("coalesced", "Messages that a newer one replaced for readers who want the newest only."),
    "replayed": ("replayed", "Messages sent to recover."),
    "position_checks": ("position_checks", "Channels compared with the head of their stream."),
    "position_gaps": ("position_gaps", "Channels found behind it: messages had been lost in silence."),
    "interruptions": ("broker_interruptions", "Times that the broker lost continuity."),
    "holds": ("holds", "Times a publisher had to wait for a slow reader."),
    "pings": ("pings", "Heartbeats sent."),
}
LABELLED = {
    "accept_failures": ("accept_failures", "errno", "Failed accepts."),
    "rejected": ("rejected", "reason", "Handshakes refused."),
    "closes": ("closes", "reason", "Connections that ended, by the close code's name."),
    "overflows": ("queue_overflows", "policy", "Times an outbound queue was found full."),
    "dropped": ("dropped", "policy", "Messages that the overflow policy forgot."),
    "requests": ("requests", "command", "Requests carried out."),
    "recoveries": ("recoveries", "result", "Subscriptions that asked for what they missed."),
    "subscriptions_ended": ("subscriptions_ended", "code", "Subscriptions that the gateway ended."),
    "broker_errors": ("broker_errors", "code", "Requests that the broker did not carry out."),
    "errors": ("request_errors", "code", "Requests answered with an error."),
    "limited": ("rate_limited", "limit", "Commands and frames beyond a rate."),
    "tokens": ("tokens", "result", "Tokens looked at."),
    "tls_handshakes": ("tls_handshakes", "kind", "TLS handshakes completed: full, or resumed."),
    "tls_failures": ("tls_handshake_failures", "reason", "TLS handshakes that failed."),
}
BROKER_GAUGES = {
    "connected": ("broker_connected", "1 while the connection to NATS stands."),
    "copy_silent_s": (
        "broker_copy_silent_seconds",
        "In a region that mirrors home: how long its copy has heard nothing of home; looked at every 5 s.",
    ),
}
BROKER_COUNTERS = {
    "reconnects": ("broker_reconnects", "Times that the connection to NATS came back."),
    "live_gaps": ("broker_live_gaps", "Holes in live messages that were filled from history."),
    "live_interrupted": ("broker_live_interrupted", "Holes that could not be filled: readers were told."),
    "publish_collisions": ("broker_publish_collisions", "Publications retried because another gateway's came first."),
}
HISTOGRAMS = {
    ("tls_handshake_s", "tls_handshake_sum_s"): (
        "tls_handshake_seconds",
        "From accept to a complete TLS handshake.",
    ),
}


def metrics_table() -> str:
    """Return the reference table of all metrics as Markdown; the documentation page carries it verbatim."""
    rows = ["| Metric | Kind | Label | What it counts |", "|---|---|---|---|"]
    rows += [f"| `{PREFIX}{name}` | gauge | | {text} |" for name, text in GAUGES.values()]
    rows += [f"| `{PREFIX}{name}_total` | counter | | {text} |" for name, text in COUNTERS.values()]
    rows += [f"| `{PREFIX}{name}_total` | counter | `{label}` | {text} |" for name, label, text in LABELLED.values()]
    rows += [f"| `{PREFIX}{name}` | gauge, with NATS | | {text} |" for name, text in BROKER_GAUGES.values()]
    rows += [f"| `{PREFIX}{name}_total` | counter, with NATS | | {text} |" for name, text in BROKER_COUNTERS.values()]
    rows += [f"| `{PREFIX}{name}` | histogram | `le` | {text} |" for name, text in HISTOGRAMS.values()]
    return "\n".join(rows) + "\n"


class _Numbers(Collector):
    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        stats = self._read()
        for key, (name, text) in GAUGES.items():
            if stats[key] is not None:
                yield GaugeMetricFamily(PREFIX + name, text, stats[key])
        for key, (name, text) in COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, text, stats[key])
        for key, (name, label, text) in LABELLED.items():
            family = CounterMetricFamily(PREFIX + name, text, labels=[label])
            for value, count in stats[key].items():
                family.add_metric([value], count)
            yield family
        for (key, total), (name, text) in HISTOGRAMS.items():
            yield HistogramMetricFamily(PREFIX + name, text, buckets=list(stats[key].items()), sum_value=stats[total])


class _Broker(Collector):
    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        stats = self._read()
        for key, (name, text) in BROKER_GAUGES.items():
            if stats.get(key) is not None:
                yield GaugeMetricFamily(PREFIX + name, text, float(stats[key]))
        for key, (name, text) in BROKER_COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, text, stats.get(key, 0))


class Metrics:
    """Writes the exposition.

    Args:
        read: Returns the gateway's `stats`.
        broker: Returns what its broker counts; None if that has no counters.
    """

    def __init__(self, read: Callable[[], dict[str, Any]], broker: Callable[[], dict[str, Any]] | None = None) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Numbers(read))
        if broker is not None:
            self._registry.register(_Broker(broker))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return the Prometheus text format."""
        return generate_latest(self._registry)
