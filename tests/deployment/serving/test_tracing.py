"""Traces of requests: only where somebody takes them, and without a value of theirs."""

from __future__ import annotations

from plumbline.deployment.serving.tracing import from_environment


def test_without_an_endpoint_nothing_is_traced_and_with_one_no_value_is():
    assert from_environment({}) is None
    assert from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}) is None


def test_spans_join_the_callers_trace():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from plumbline.deployment.serving.tracing import Telemetry

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    telemetry = Telemetry(provider)
    for status in (200, 503):
        span = telemetry.begin("churn", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
        telemetry.end(span, status, "ok" if status == 200 else "full", "1.0.0+a", 1)
    telemetry.close()
    good, bad = kept.get_finished_spans()
    assert good.context.trace_id == int("a" * 32, 16)
    assert good.attributes["plumbline.model.version"] == "1.0.0+a"
    assert bad.attributes["error.type"] == "full"
