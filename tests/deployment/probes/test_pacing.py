"""Questions at a steady pace: each is timed, and processes that begin meanwhile are counted."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from plumbline.deployment import evidence_coldness
from plumbline.deployment.probes import pacing
from plumbline.evidence import Endpoint, UnavailableError

BODY = {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [3.0]}]}


@pytest.fixture
def golden(tmp_path):
    path = tmp_path / "golden.json"
    path.write_text(json.dumps([{"body": BODY, "expect": {}}]))
    return str(path)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(pacing, "EVERY_S", 0.0)


@contextmanager
def serving(statuses: list[int]) -> Iterator[tuple[str, list[tuple[str, str | None, bytes]]]]:
    """A server that answers with these statuses in turn, the last one for ever."""
    seen: list[tuple[str, str | None, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers.get("Authorization"), body))
            self.send_response(statuses[min(len(seen), len(statuses)) - 1])
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", seen
        finally:
            server.shutdown()
            thread.join()


def test_each_question_is_asked_as_clients_ask_it(golden):
    with serving([200]) as (url, seen):
        endpoint = Endpoint("x", url=url, model="a b", golden=golden, token="t")
        told = evidence_coldness.times_from_url(endpoint)
    assert (told.answered, told.failed, told.born) == (pacing.AT_ONCE * pacing.ROUNDS, 0, None)
    assert told.first_s is not None
    assert list(told.slowest_s) == sorted(told.slowest_s, reverse=True)
    assert len(told.slowest_s) == 10
    path, authorization, body = seen[0]
    assert (path, authorization) == ("/v2/models/a%20b/infer", "Bearer t")
    assert json.loads(body) == BODY


def test_refusals_are_no_answers(golden):
    with serving([503, 503, 200]) as (url, _):
        seen = pacing.watch(Endpoint("x", url=url, model="m", golden=golden))
    assert seen.first_s is None
    assert (len(seen.times_s), seen.failed) == (pacing.AT_ONCE * pacing.ROUNDS - 1, 2)


def test_without_time_it_stops(golden, monkeypatch):
    monkeypatch.setattr(pacing, "LONGEST_S", -1.0)
    monkeypatch.setattr(pacing, "_asked", lambda *_: (0.0, 0.1))
    assert pacing.watch(Endpoint("x", url="http://h", model="m", golden=golden)).times_s == (0.1,) * pacing.AT_ONCE


def test_processes_that_begin_meanwhile_are_counted(golden, monkeypatch):
    children: list[subprocess.Popen[bytes]] = []
    one_by_one = threading.Lock()

    def ask(*_: object) -> tuple[float, float]:
        with one_by_one:
            if len(children) < 2:
                children.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        return 0.0, 0.001

    monkeypatch.setattr(pacing, "_asked", ask)
    try:
        seen = pacing.watch(Endpoint("x", url="http://h", model="m", golden=golden, pid=os.getpid()))
    finally:
        for child in children:
            child.communicate(b"\n")
    assert seen.born == 2


def test_what_this_program_was_late_itself_is_no_delay_of_the_server(golden, monkeypatch):
    monkeypatch.setattr(pacing, "_asked", lambda *_: (1.0, 1.5))
    monkeypatch.setattr(pacing.Lateness, "between", lambda *_: 0.4)
    seen = pacing.watch(Endpoint("x", url="http://h", model="m", golden=golden))
    assert (seen.first_s, max(seen.times_s)) == (0.5, pytest.approx(0.1))


def test_lateness_counts_for_the_time_in_which_it_was():
    lateness = pacing.Lateness()
    lateness.end()
    lateness._late = [(1.0, 0.2), (2.0, 0.3), (3.3, 0.5)]
    assert lateness.between(0.5, 2.5) == 0.3
    assert lateness.between(0.5, 1.5) == 0.2
    assert lateness.between(2.5, 3.0) == 0.5  # it noticed when it was woken at last
    assert lateness.between(4.0, 5.0) == 0.0


def test_what_cannot_be_asked_is_told(tmp_path, golden):
    with pytest.raises(UnavailableError, match=r"no http:// or https:// address"):
        pacing.watch(Endpoint("x", url="ws://h", model="m", golden=golden))
    with pytest.raises(UnavailableError, match="holds no list of questions"):
        pacing.watch(Endpoint("x", url="http://h", model="m", golden=str(tmp_path / "none.json")))
    with serving([500]) as (url, _), pytest.raises(UnavailableError, match="none of 49 questions was answered"):
        pacing.watch(Endpoint("x", url=url, model="m", golden=golden))
