"""Spans, as a real OTLP receiver on loopback gets them."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from plumbline.streaming.core.closes import Ended
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.core.tracing import DEFAULT_RATIO, Parent, Sampling, parent_of
from plumbline.streaming.server import telemetry

RULES = Settings().changed({"channels.scores.*.history_s": 1}).rules()
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def collector():
    """Run an OTLP/HTTP receiver that decodes what it gets; yields its address and the list of spans."""
    spans = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            asked = ExportTraceServiceRequest()
            asked.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in asked.resource_spans:
                for scope in resource.scope_spans:
                    spans.extend((span, resource.resource) for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def switched_on(collector, monkeypatch):
    """Return a function that switches telemetry on for this collector, as the environment would."""
    made = []

    def begin(**environment):
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector[0], "OTEL_TRACES_SAMPLER": "always_on", **environment}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        one = telemetry.from_environment()
        made.append(one)
        return one

    yield begin
    for one in made:
        one.close()


def attributes(span):
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


def test_a_message_is_one_span_with_what_became_of_it(collector, switched_on):
    on = switched_on()
    message = on.message(RULES, "scores.m7", 120)
    message.readers = 5000
    message.fanned_out()
    message.stored(7)
    on.close()
    [(span, resource)] = collector[1]
    assert span.name == "publish"
    assert [event.name for event in span.events] == ["fanned-out", "stored"]
    assert attributes(span) == {
        "messaging.system": "plumbline",
        "messaging.operation.name": "publish",
        "messaging.destination.template": "scores.*",
        "messaging.message.body.size": 120,
        "plumbline.readers": 5000,
    }
    assert attributes(resource)["service.name"] == telemetry.SERVICE


def test_a_running_gateway_tells_of_messages_connections_and_its_end(collector, monkeypatch, start, client):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector[0])
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    gateway = start()
    link = client(gateway)
    link.ask(id=1, subscribe="secret.channel")
    link.send(publish="secret.channel", data="secret data", trace=PARENT)
    assert link.read()["data"] == "secret data"
    link.link.close()
    gateway.stop()
    spans = {span.name: span for span, _ in collector[1]}
    assert spans.keys() >= {"handshake", "publish", "connection"}
    assert spans["publish"].trace_id.hex() == TRACE
    assert attributes(spans["publish"])["plumbline.readers"] == 1
    assert attributes(spans["publish"])["messaging.destination.template"] == "*"
    assert "secret" not in str(collector[1])


def test_a_refused_handshake_is_a_span_that_says_why(collector, monkeypatch, start, raw):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector[0])
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    gateway = start()
    assert raw(gateway, headers="Origin: https://elsewhere.example\r\n").status == 403
    gateway.stop()
    found = [attributes(span) for span, _ in collector[1] if span.name == "handshake"]
    assert found == [{"network.protocol.name": "websocket", "error.type": "origin"}]


def test_readers_continue_the_gateways_span(collector, monkeypatch, start, client):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector[0])
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    gateway = start()
    link = client(gateway)
    link.ask(id=1, subscribe="a", trace=True)
    link.send(publish="a", data=1, trace=PARENT)
    told = link.read()["trace"]
    gateway.stop()
    (span,) = [span for span, _ in collector[1] if span.name == "publish"]
    assert told == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    assert span.trace_id.hex() == TRACE


def test_a_message_that_was_not_stored_is_an_error(collector, switched_on):
    on = switched_on()
    message = on.message(RULES, "x", 1)
    message.failed("unavailable")
    message.fanned_out()
    on.close()
    [(span, _)] = collector[1]
    assert attributes(span)["error.type"] == "unavailable"
    assert span.status.code == 2


def test_a_message_goes_on_with_the_trace_it_came_with(collector, switched_on):
    on = switched_on(OTEL_TRACES_SAMPLER="parentbased_always_off", OTEL_SERVICE_NAME="mine")
    assert on.message(RULES, "x", 1) is None
    assert on.message(RULES, "x", 1, f"00-{TRACE}-{SPAN}-00") is None
    message = on.message(RULES, "x", 1, PARENT)
    message.stored(1)
    message.fanned_out()
    on.close()
    [(span, resource)] = collector[1]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert message.traceparent == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert attributes(resource)["service.name"] == "mine"


def test_handshakes_connections_and_drains_have_their_true_length(collector, switched_on):
    on = switched_on()
    on.handshake(0.25, "websocket")
    on.handshake(0.5, "sse", refused="bad-token")
    on.closed(Ended(4008, "slow-consumer", "server", 0.0, 12.5, clean=False, at=0.0))
    on.drained(3.0, 100, 0)
    on.close()
    lengths = [(span.name, (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9) for span, _ in collector[1]]
    assert lengths == [("handshake", 0.25), ("handshake", 0.5), ("connection", 12.5), ("drain", 3.0)]
    assert attributes(collector[1][1][0])["error.type"] == "bad-token"
    assert attributes(collector[1][2][0])["plumbline.close.reason"] == "slow-consumer"


def test_a_drain_is_recorded_whatever_is_sampled(collector, switched_on):
    on = switched_on(OTEL_TRACES_SAMPLER="always_off")
    on.handshake(0.1, "websocket")
    on.drained(1.0, 1, 0)
    on.close()
    assert [span.name for span, _ in collector[1]] == ["drain"]


@pytest.mark.parametrize(
    "environment",
    [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, {telemetry.ENDPOINTS[0]: "x", "OTEL_SDK_DISABLED": "True"}],
)
def test_without_an_endpoint_it_is_off(environment):
    assert telemetry.from_environment(environment) is None


def test_what_is_not_installed_is_said(monkeypatch, caplog):
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level("WARNING", "plumbline.gateway"):
        assert telemetry.from_environment({telemetry.ENDPOINTS[0]: "http://127.0.0.1:1"}) is None
    assert "pip install" in caplog.text


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Sampling(DEFAULT_RATIO, by_parent=True)),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, Sampling(1.0, by_parent=False)),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}, Sampling(0.5, by_parent=False)),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, Sampling(DEFAULT_RATIO, by_parent=True)),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, Sampling(0.0, by_parent=True)),
    ],
)
def test_the_standard_variables_say_what_is_sampled(environment, expected):
    assert Sampling.of(environment) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_SAMPLER": "jaeger_remote"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "x"},
    ],
)
def test_a_sampler_that_is_not_there_is_an_error(environment):
    with pytest.raises(ValueError, match="OTEL_TRACES_SAMPLER"):
        Sampling.of(environment)


@given(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.booleans())
def test_every_traceparent_is_read(trace, span, sampled):
    assert parent_of(f"00-{trace:032x}-{span:016x}-{sampled:02x}") == Parent(trace, span, sampled)
    assert parent_of(f"cc-{trace:032x}-{span:016x}-{sampled:02x}-later") == Parent(trace, span, sampled)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_what_is_no_traceparent_is_left_alone(text):
    assert parent_of(text) is None


@given(st.text())
def test_any_text_is_survived(text):
    assert parent_of(text) is None or parent_of(text).trace
