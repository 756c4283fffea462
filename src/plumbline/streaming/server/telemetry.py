"""OpenTelemetry: spans of messages, connections and drains, sent by OTLP over HTTP; off unless the environment says so.

What is off costs one look at a None. A message that is not sampled costs a random number.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Mapping
from typing import Any

from plumbline.streaming.core.closes import Ended
from plumbline.streaming.core.rules import Resolved
from plumbline.streaming.core.tracing import Parent, Sampling, parent_of
from plumbline.streaming.server import log

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
SERVICE = "plumbline-gateway"


class MessageSpan:
    """The span of one message, from its arrival to its readers' queues.

    Args:
        span: The recording span.
    """

    __slots__ = ("_open", "_span", "readers")

    def __init__(self, span: Any) -> None:
        self._span = span
        self._open = 2  # ends when it is both stored and fanned out, whichever comes last
        self.readers = 0  # who got it while the broker was told: with a broker elsewhere, nobody yet

    @property
    def traceparent(self) -> str:
        """What readers and brokers may continue."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def stored(self, offset: int) -> None:
        """Note that the broker keeps the message."""
        self._span.add_event("stored", {"plumbline.offset": offset})
        self._end()

    def fanned_out(self) -> None:
        """Note that the broker was told, and that those who got the message at once have it."""
        self._span.add_event("fanned-out")
        self._span.set_attribute("plumbline.readers", self.readers)
        self._end()

    def failed(self, code: str) -> None:
        """Note that it was not stored."""
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", code)
        self._span.set_status(StatusCode.ERROR)
        self._end()

    def _end(self) -> None:
        self._open -= 1
        if not self._open:
            self._span.end()


class Telemetry:
    """Makes spans.

    Args:
        provider: OpenTelemetry's tracer provider; shut down by `close`.
        sampling: Which messages and connections are traced; drains always are.
    """

    def __init__(self, provider: Any, sampling: Sampling) -> None:
        self._provider = provider
        self._sampling = sampling
        self._tracer = provider.get_tracer("plumbline.streaming")

    def message(self, rules: Resolved, channel: str, size: int, traceparent: str | None = None) -> MessageSpan | None:
        """Begin the span of a message that a client or program publishes; None if it is not sampled.

        Args:
            rules: Of channels; the pattern that this one follows is recorded.
            channel: Where it is published; never recorded: channels are too many, and may name people.
            size: Bytes of its data; the data are never recorded.
            traceparent: What it says of its trace.
        """
        parent = None if traceparent is None else parent_of(traceparent)
        if not self._sampling.wanted(parent, random.random()):  # noqa: S311 - a sample
            return None
        from opentelemetry.trace import SpanKind

        attributes = {
            "messaging.system": "plumbline",
            "messaging.operation.name": "publish",
            "messaging.destination.template": rules.pattern(channel),
            "messaging.message.body.size": size,
        }
        span = self._tracer.start_span("publish", _context(parent), SpanKind.PRODUCER, attributes)
        return MessageSpan(span)

    def handshake(self, took_s: float, transport: str, refused: str | None = None) -> None:
        """Record a handshake that is over.

        Args:
            took_s: Seconds since the socket was accepted.
            transport: `websocket` or `sse`.
            refused: Why the client was not let in, if it was not.
        """
        attributes = {"network.protocol.name": transport}
        self._past("handshake", took_s, attributes | ({"error.type": refused} if refused else {}))

    def closed(self, ended: Ended) -> None:
        """Record a connection that is over, from its accept to its end."""
        attributes = {
            "plumbline.close.code": ended.code,
            "plumbline.close.reason": ended.reason,
            "plumbline.close.by": ended.by,
            "plumbline.close.clean": ended.clean,
        }
        self._past("connection", ended.age_s, attributes)

    def drained(self, took_s: float, connections: int, lost: int) -> None:
        """Record a drain."""
        self._past("drain", took_s, {"plumbline.connections": connections, "plumbline.lost": lost}, always=True)

    def close(self) -> None:
        """Send what is recorded, and stop."""
        self._provider.shutdown()

    def _past(self, name: str, took_s: float, attributes: Mapping[str, Any], *, always: bool = False) -> None:
        if always or self._sampling.wanted(None, random.random()):  # noqa: S311 - a sample
            now = time.time_ns()
            self._tracer.start_span(name, attributes=attributes, start_time=now - int(took_s * 1e9)).end(now)


def from_environment(environment: Mapping[str, str] = os.environ) -> Telemetry | None:
    """Return what the standard `OTEL_` variables ask for; None without an endpoint, or with `OTEL_SDK_DISABLED`.

    Raises:
        ValueError: A variable says something that there is not.
    """
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or not any(environment.get(name, "").strip() for name in ENDPOINTS):
        return None
    sampling = Sampling.of(environment)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError:
        hint = "pip install 'plumbline[telemetry]'"
        log.event(logging.WARNING, "telemetry not installed", wanted_by=ENDPOINTS[1], hint=hint)
        return None
    named = "OTEL_SERVICE_NAME" in environment or "service.name" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # `Sampling` has chosen before a span is made
        resource=Resource.create({} if named else {"service.name": SERVICE}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    log.event(logging.INFO, "telemetry on", ratio=sampling.ratio)
    return Telemetry(provider, sampling)


def _context(parent: Parent | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if parent is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(parent.trace, parent.span, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(remote), Context())
