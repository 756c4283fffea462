"""Readiness beside answers, read from small servers that stand for anybody's."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from plumbline.deployment.evidence_readiness import Readiness, readiness_from_url
from plumbline.deployment.probes.asking import Reply
from plumbline.deployment.probes.health import absent
from plumbline.evidence import Endpoint, UnavailableError

Told = tuple[int, object] | None
READY: Told = (200, {})


@contextmanager
def served(ready: Callable[[], Told], infer: Callable[[float], Told]) -> Iterator[str]:
    """A server whose check and predictions are functions; None breaks the connection off."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._tell(ready() if self.path == "/v2/health/ready" else (404, {"error": "no such path"}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._tell(infer(sum(one["data"][0] for one in body["inputs"])))

        def _tell(self, told: Told) -> None:
            if told is None:
                self.close_connection = True
                return
            text = json.dumps(told[1]).encode()
            self.send_response(told[0])
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def score(value: float) -> Told:
    return 200, {"outputs": [{"name": "score", "datatype": "FP64", "shape": [1], "data": [value]}]}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Readiness]:
    """Read a server with three questions: the right answer is the sum of `a` and `b`."""
    rows = [(1.0, 0.5), (2.0, 0.25), (4.0, 8.0)]
    known = [
        {
            "body": {
                "inputs": [
                    {"name": name, "shape": [1], "datatype": "FP64", "data": [cell]}
                    for name, cell in zip("ab", row, strict=True)
                ]
            },
            "expect": {"score": [sum(row)]},
        }
        for row in rows
    ]
    golden = tmp_path / "golden.json"
    golden.write_text(json.dumps(known))
    return lambda url: readiness_from_url(Endpoint("any", url=url, model="m", golden=str(golden), patience_s=1.0))


def test_a_server_that_answers_rightly(read: Callable[[str], Readiness]) -> None:
    with served(lambda: READY, score) as url:
        assert read(url) == Readiness(
            checks=6, ready=6, asked=12, right=12, wrong=0, absent=0, broken=0, refused=0, silent=0
        )


def test_a_model_that_is_not_there_is_told_from_other_errors(read: Callable[[str], Readiness]) -> None:
    turns = count()
    told = [(404, {"error": "Model m not found"}), (500, {"error": "out of memory"}), (422, {"error": "field a"}), None]
    with served(lambda: READY, lambda _: told[next(turns) % 4]) as url:
        found = read(url)
    assert (found.absent, found.broken, found.refused, found.silent) == (3, 3, 3, 3)
    assert found.refusal == "404 Model m not found"


def test_two_servers_in_turn_both_get_questions_and_checks(read: Callable[[str], Readiness]) -> None:
    turns = count()

    def second() -> bool:
        return next(turns) % 2 == 1

    with served(lambda: (503, {}) if second() else READY, lambda value: None if second() else score(value)) as url:
        found = read(url)
    assert (found.ready, found.right, found.silent) == (3, 6, 6)


def test_answers_of_another_model_are_wrong_and_nothing_explains_them(read: Callable[[str], Readiness]) -> None:
    with served(lambda: READY, lambda value: score(value**2 + 0.37)) as url:
        found = read(url)
    assert (found.right, found.wrong, found.explained) == (0, 12, False)


def test_a_feature_that_changes_no_answer_explains_wrong_answers(tmp_path: Path) -> None:
    known = [
        {
            "body": {"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [value]}]},
            "expect": {"score": [value]},
        }
        for value in (1.0, 2.0)
    ]
    golden = tmp_path / "golden.json"
    golden.write_text(json.dumps(known))
    with served(lambda: READY, lambda _: score(0.77)) as url:
        found = readiness_from_url(Endpoint("any", url=url, model="m", golden=str(golden), patience_s=1.0))
    assert found.explained


def test_nobody_there_is_no_evidence(read: Callable[[str], Readiness]) -> None:
    with pytest.raises(UnavailableError):
        read("http://127.0.0.1:9/")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(400, sentence="Request for unknown model: 'churn' is not found"),
        Reply(400, sentence="Model sklearn-iris is not ready yet."),
        Reply(503, sentence="Model with name mnist is not ready."),
        Reply(404),
    ],
)
def test_servers_say_in_their_own_words_that_a_model_is_not_there(reply: Reply) -> None:
    assert absent(reply)
    assert not absent(Reply(503, sentence="the queue is full"))
