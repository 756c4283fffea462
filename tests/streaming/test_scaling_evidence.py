"""What was scaled in the last hour: from a supervisor's admin socket, and from a Prometheus server."""

import http.server
import json
import threading

import pytest

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming import evidence_scaling
from plumbline.streaming.evidence_scaling import ScaleEvent, events_from_admin, events_from_prometheus

VIEW = {
    "policy": {"metrics": [{"name": "connections"}], "down": {"stabilization_s": 300, "tolerance": 0.1}},
    "now": 5000.0,
    "decisions": [],
    "changes": [
        {"at": 4990.0, "from": 2, "to": 1, "load": {"connections": 40.0}, "moved": 12},
        {"at": 4960.0, "from": 1, "to": 2, "load": {"connections": 90.0}, "moved": 0},
        {"at": 100.0, "from": 2, "to": 1, "load": {"connections": 10.0}, "moved": 3},
    ],
}


def told(monkeypatch, view):
    monkeypatch.setattr(evidence_scaling, "asked", lambda *_: view)
    return events_from_admin(Endpoint("t", admin="/x"))


def test_a_supervisors_changes_of_the_last_hour_are_read_oldest_first(monkeypatch):
    (found,) = told(monkeypatch, VIEW).scaled
    assert found.events == (ScaleEvent(40.0, 1, 2, 90.0, 0), ScaleEvent(10.0, 2, 1, 40.0, 12))
    assert (found.down_window_s, found.tolerance, found.moved) == (300.0, 0.1, 12)
    assert found.turns == found.events[1:]
    assert found.period_s is None


def test_a_supervisor_that_does_not_scale_says_nothing(monkeypatch):
    with pytest.raises(UnavailableError) as failed:
        told(monkeypatch, {"policy": None, "decisions": [], "changes": []})
    assert failed.value.reason == "not_configured"


@pytest.mark.parametrize("view", [{}, {"policy": {}}, {"policy": {"metrics": []}}, {**VIEW, "changes": [1]}])
def test_an_answer_of_another_form_is_malformed(monkeypatch, view):
    with pytest.raises(UnavailableError) as failed:
        told(monkeypatch, view)
    assert failed.value.reason == "malformed"


@pytest.fixture
def prometheus():
    """A function that answers each query with this body, by metric."""
    servers = []

    def begin(bodies):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                metric = self.path.partition("query=")[2].partition("&")[0]
                body = bodies.get(metric, bodies.get("", b"")) if "/api/v1/query_range" in self.path else b""
                self.send_response(200 if body else 404)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return Endpoint("t", metrics=f"http://127.0.0.1:{server.server_address[1]}/metrics")

    yield begin
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def series(label, **rows):
    result = [
        {
            "metric": {"namespace": "ml", label: name.replace("_", "-")},
            "values": [[1000 + 15 * at, str(count)] for at, count in enumerate(counts)],
        }
        for name, counts in rows.items()
    ]
    return json.dumps({"status": "success", "data": {"result": result}}).encode()


EMPTY = series("x")


def test_desired_replicas_of_autoscalers_become_changes_the_most_turns_first(prometheus):
    body = series("horizontalpodautoscaler", calm=[4, 4, 5, 5], wild=[4, 7, 4, 7], none=[])
    found = events_from_prometheus(prometheus({"kube_horizontalpodautoscaler_status_desired_replicas": body})).scaled
    assert [one.name for one in found] == ["ml/wild", "ml/calm"]
    assert [(one.ago_s, one.before, one.after) for one in found[0].events] == [(30, 4, 7), (15, 7, 4), (0, 4, 7)]
    assert len(found[0].turns) == 2
    assert found[0].period_s == 15


def test_without_autoscalers_the_deployments_are_read(prometheus):
    body = series("deployment", gateway=[1, 2])
    found = events_from_prometheus(prometheus({"kube_deployment_spec_replicas": body, "": EMPTY})).scaled
    assert found[0].name == "ml/gateway"


@pytest.mark.parametrize(
    ("bodies", "reason", "words"),
    [
        ({"": EMPTY}, "not_configured", "kube-state-metrics"),
        ({"": b"<html>"}, "malformed", "does not answer"),
        ({}, "malformed", "does not answer"),
        ({"": b'{"status": "error", "error": "bad step"}'}, "malformed", "bad step"),
    ],
)
def test_what_is_no_prometheus_with_replicas_is_said(prometheus, bodies, reason, words):
    with pytest.raises(UnavailableError, match=words) as failed:
        events_from_prometheus(prometheus(bodies))
    assert failed.value.reason == reason


def test_nobody_there_is_unreachable():
    with pytest.raises(UnavailableError) as failed:
        events_from_prometheus(Endpoint("t", metrics="http://127.0.0.1:9"))
    assert failed.value.reason == "unreachable"
