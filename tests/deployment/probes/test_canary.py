"""What a candidate was asked, read from the metrics of a model server; and the rollout that does not care."""

import json
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from plumbline.deployment.evidence_canary import canary_from_admin, canary_from_metrics
from plumbline.evidence import Endpoint, UnavailableError
from plumbline.lab.servers import rollout
from plumbline.lab.servers.http import Config

OLD, NEW = "1.0.0+aaaaaaaaaaaa", "1.0.1+bbbbbbbbbbbb"
DIGEST = "sha256:" + "b" * 64


def page(shares, requests):
    lines = [f'plumbline_model_share{{version="{name}"}} {share}' for name, share in shares.items()]
    lines += ['plumbline_model_requests_total{version="",outcome="invalid"} 5.0']
    for name, (ok, failed) in requests.items():
        lines += [
            f'plumbline_model_requests_total{{version="{name}",outcome="ok"}} {ok}',
            f'plumbline_model_requests_total{{version="{name}",outcome="internal"}} {failed}',
        ]
    head = ["# TYPE plumbline_model_share gauge", "# TYPE plumbline_model_requests_total counter"]
    return (
        "\n".join(
            [head[0], *[one for one in lines if "share" in one], head[1], *[one for one in lines if "total" in one]]
        )
        + "\n"
    )


@contextmanager
def served(*pages, status=200):
    """Serve pages in turn, the last one again and again."""
    left = list(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = (left.pop(0) if len(left) > 1 else left[0]).encode()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()


def looked(*pages):
    pauses = []
    with served(*pages) as url:
        return canary_from_metrics(Endpoint("x", metrics=url), pause=pauses.append), pauses


def test_the_version_with_the_least_share_is_the_candidate():
    shares = {OLD: 0.95, NEW: 0.05}
    found, pauses = looked(page(shares, {OLD: (100, 0), NEW: (3, 1)}), page(shares, {OLD: (150, 0), NEW: (5, 1)}))
    assert (found.versions, found.candidate, found.share) == (2, NEW, 0.05)
    assert (found.requests, found.arrived, found.came) == (6, 2, 52)
    assert found.per_s == pytest.approx(52 / found.window_s)
    assert pauses == [1.0]


def test_where_little_comes_it_watches_longer():
    shares = {OLD: 0.999, NEW: 0.001}
    found, pauses = looked(page(shares, {OLD: (100, 0)}), page(shares, {OLD: (101, 0)}))
    assert (found.candidate, found.requests, found.came) == (NEW, 0, 1)
    assert len(pauses) == 8


def test_one_version_is_told_at_once_and_one_without_a_share_counts_not():
    found, pauses = looked(page({OLD: 1.0, NEW: 0.0}, {OLD: (100, 0), NEW: (1, 0)}))
    assert (found.versions, pauses) == (1, [])


def test_shares_that_move_while_they_are_looked_at_are_told():
    before, after = {OLD: 0.95, NEW: 0.05}, {OLD: 0.5, NEW: 0.5}
    found, pauses = looked(page(before, {OLD: (1, 0)}), page(after, {OLD: (1, 0)}))
    assert found.changed
    assert len(pauses) == 1


def test_a_server_that_was_started_anew_has_not_answered_less_than_nothing():
    shares = {OLD: 0.95, NEW: 0.05}
    found, _ = looked(page(shares, {OLD: (100, 0)}), page(shares, {OLD: (2, 0)}))
    assert (found.came, found.per_s) == (0, 0.0)


def test_pages_of_others_and_errors_are_named():
    with served("up 1\n") as url, pytest.raises(UnavailableError, match="no model server"):
        canary_from_metrics(Endpoint("x", metrics=url))
    with served("gone", status=404) as url, pytest.raises(UnavailableError, match="no metrics at"):
        canary_from_metrics(Endpoint("x", metrics=url))


def test_the_admin_socket_says_where_the_metrics_are(monkeypatch, tmp_path):
    with pytest.raises(UnavailableError, match="no server answers"):
        canary_from_admin(Endpoint("x", admin=str(tmp_path / "no.sock")))
    monkeypatch.setattr("plumbline.deployment.serving.admin.ask", lambda *_: {"ok": True})
    with pytest.raises(UnavailableError, match="does not say where metrics are"):
        canary_from_admin(Endpoint("x", admin="/run/gateway.sock"))
    with served(page({OLD: 1.0}, {OLD: (1, 0)})) as url:
        monkeypatch.setattr("plumbline.deployment.serving.admin.ask", lambda *_: {"metrics": url})
        assert canary_from_admin(Endpoint("x", admin="/run/model.sock")).versions == 1


@pytest.fixture
def rolling(tmp_path, monkeypatch):
    """A rollout beside a server that only remembers what it was told."""
    told = []

    def ask(_path, command, *_):
        told.append(command)
        return {"shares": {"sha256:old": 1.0}, "epoch": 3, "metrics": rolling.url}

    monkeypatch.setattr(rollout, "ask", ask)

    def look(requests, **config):
        (tmp_path / "c.json").write_text(json.dumps({"candidate": "candidate", **config}))
        it = rollout.Rollout(Config(tmp_path / "c.json", rollout._DEFAULTS), tmp_path)
        it._digest, it._began = DIGEST, time.monotonic()
        with served(page({OLD: 0.5, NEW: 0.5}, {NEW: requests})) as rolling.url:
            it.look()
        return json.loads((tmp_path / "verdict.json").read_text()), told

    return look


def test_the_rollout_calls_no_requests_healthy_whatever_is_tolerated(rolling):
    verdict, told = rolling((0, 0), share=0.001, tolerated=0.0)
    assert (verdict["said"], verdict["requests"], verdict["promoted"]) == ("healthy", 0, False)
    assert [one["verb"] for one in told] == ["status", "prepare", "share"]
    assert told[-1]["shares"] == {DIGEST: 0.001, "sha256:old": 0.999}


def test_with_a_least_number_of_requests_it_waits_and_then_it_sees(rolling):
    assert rolling((312, 0), at_least=313)[0]["said"] == "inconclusive"
    assert rolling((313, 0), at_least=313)[0]["said"] == "healthy"
    assert rolling((290, 23), at_least=313)[0] == {"said": "failed", "requests": 313, "errors": 23, "promoted": False}


def test_what_is_healthy_for_long_enough_is_promoted(rolling):
    assert rolling((0, 0), bake_s=0)[0]["promoted"] is True


def test_without_a_candidate_it_does_nothing(tmp_path):
    (tmp_path / "c.json").write_text("{}")
    rollout.Rollout(Config(tmp_path / "c.json", rollout._DEFAULTS), tmp_path).look()
    assert not (tmp_path / "verdict.json").exists()
