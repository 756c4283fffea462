"""Requests with bodies: their answers are held against what those who made the data know."""

import json
import sys
from collections.abc import Callable

import pytest

from plumbline.lab import Asked, HurtsWhen, Service, Topology, Workload
from plumbline.lab.parts import Server
from plumbline.lab.proof import health
from plumbline.lab.running import running
from plumbline.lab.workload.judging import right

Until = Callable[..., None]
SCORE = Asked(path="/v2/models/churn/infer", body={"inputs": []}, expect={"score": (0.5, 0.25), "label": ("yes", "no")})
DOUBLING = """
import http.server, json, pathlib, sys
class Twice(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        factor = json.loads(pathlib.Path(sys.argv[2]).read_text())["factor"]
        told = json.dumps({"outputs": [{"name": "y", "data": [x * factor for x in asked["x"]]}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(told)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Twice).serve_forever()
"""


def answer(**outputs: object) -> bytes:
    return json.dumps({"outputs": [{"name": name, "data": data} for name, data in outputs.items()]}).encode()


def test_an_answer_is_right_within_the_tolerance() -> None:
    assert right(answer(score=[0.5004, 0.25], label=["yes", "no"]), SCORE)
    assert right(b"whatever", Asked(path="/", body={}))


@pytest.mark.parametrize(
    "told",
    [
        answer(score=[0.502, 0.25], label=["yes", "no"]),
        answer(score=[float("nan"), 0.25], label=["yes", "no"]),
        answer(score=[None, 0.25], label=["yes", "no"]),
        answer(score=[0.5, 0.25], label=["no", "yes"]),
        answer(score=[0.5], label=["yes", "no"]),
        answer(score=[0.5, 0.25]),
        b"<html>",
        b'{"outputs": 3}',
        b"[]",
    ],
)
def test_what_differs_lacks_something_or_cannot_be_read_is_wrong(told: bytes) -> None:
    assert not right(told, SCORE)


def test_wrong_answers_hurt_and_are_no_healthy_service() -> None:
    service = Service(requests_ok=10, answers_wrong=4)
    assert service.right_ratio == 0.6
    assert Service().right_ratio == 1.0
    assert "4 answers were wrong" in str(service)
    assert HurtsWhen(right_ratio=0.9).judge(service).hurts
    assert not HurtsWhen(right_ratio=0.5).judge(service).hurts
    assert health.complaints(service, connects=False, messages=False) == ["4 of 10 answers were wrong"]


def test_the_workload_asks_in_turn_and_notices_when_answers_turn_wrong(until: Until) -> None:
    asks = tuple(Asked(path="/", body={"x": [x]}, expect={"y": (2.0 * x,)}) for x in (1.0, 2.0))
    server = Server("model", argv=(sys.executable, "-c", DOUBLING, "{port}", "{config}"), config={"factor": 2.0})
    topology = Topology(victim="model", parts=(server,), workload=Workload(requests_hz=40.0, asks=asks))
    with running(topology, purpose="prove", isolated=True) as lab:
        until(lambda: lab.service(1.0).requests_ok > 10)
        assert lab.service(1.0).answers_wrong == 0
        lab.part("model").tell(factor=3.0)
        lab.mark()
        until(lambda: lab.service(1.0).requests_ok > 10 and lab.service(1.0).right_ratio < 0.1)
