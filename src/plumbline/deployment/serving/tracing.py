"""OpenTelemetry: a span per inference request, sent by OTLP over HTTP; off unless the standard `OTEL_` variables ask.

What is off costs one look at a None. Sampling is the SDK's own (`OTEL_TRACES_SAMPLER`), and one in a hundred of those
that belong to no trace when nothing is said.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from plumbline.deployment.serving import log

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
SERVICE = "plumbline-server"
RATIO = 0.01


class Telemetry:
    """Makes spans.

    Args:
        provider: OpenTelemetry's tracer provider; shut down by `close`.
    """

    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("plumbline.deployment.serving")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, model: str, traceparent: str | None) -> Any:
        """Begin the span of one request, within the caller's trace if it names one."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        carrier = {} if traceparent is None else {"traceparent": traceparent}
        context = self._propagator.extract(carrier, Context())
        return self._tracer.start_span(f"infer {model}", context, SpanKind.SERVER)

    def end(self, span: Any, status: int, outcome: str, version: str, rows: int) -> None:
        """End a span with what came of it; feature values and answers are never recorded."""
        from opentelemetry.trace import StatusCode

        span.set_attributes(
            {
                "http.response.status_code": status,
                "plumbline.outcome": outcome,
                "plumbline.model.version": version,
                "plumbline.rows": rows,
            }
        )
        if status >= 500:
            span.set_attribute("error.type", outcome)
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is recorded, and stop."""
        self._provider.shutdown()


def from_environment(environment: Mapping[str, str] = os.environ) -> Telemetry | None:
    """Return what the standard variables ask for; None without an endpoint, or with `OTEL_SDK_DISABLED`."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or not any(environment.get(name, "").strip() for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError:
        hint = "pip install 'plumbline[telemetry]'"
        log.event(logging.WARNING, "telemetry not installed", wanted_by=ENDPOINTS[1], hint=hint)
        return None
    chosen = environment.get("OTEL_TRACES_SAMPLER", "").strip()
    named = "OTEL_SERVICE_NAME" in environment or "service.name" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(
        sampler=None if chosen else ParentBased(TraceIdRatioBased(RATIO)),
        resource=Resource.create({} if named else {"service.name": SERVICE}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    log.event(logging.INFO, "telemetry on", sampler=chosen or f"parentbased_traceidratio {RATIO:g}")
    return Telemetry(provider)
