"""The lab's scoring service: right answers with the right feature code, and an answer nevertheless with a wrong one."""

import http.client
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.lab.churn import CUSTOMERS, PATH, Version, body
from plumbline.lab.servers.http import Config
from plumbline.lab.servers.models import register
from plumbline.lab.servers.scoring import DEFAULTS, Listener, Scoring, handler

GAP = {**CUSTOMERS[0], "tickets": None}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("registry")
    register(str(place), [Version()])
    return str(place)


@pytest.fixture
def service(tmp_path: Path, registry: str) -> Scoring:
    (tmp_path / "scoring.json").write_text(json.dumps({"registry": registry}))
    return Scoring(Config(tmp_path / "scoring.json", DEFAULTS), tmp_path)


@pytest.fixture
def port(service: Scoring) -> Iterator[int]:
    with Listener(("127.0.0.1", 0), handler(service)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port
        server.shutdown()


def configured(service: Scoring, tmp_path: Path, **values: Any) -> None:
    written = tmp_path / "changed.json"
    written.write_text(json.dumps(values))
    service.config = Config(written, DEFAULTS)


def score(service: Scoring, asked: Any) -> Any:
    answer = service.handle(PATH, json.dumps(body([asked])).encode())
    return answer.value["outputs"][1]["data"][1] if answer.status == 200 else answer.status


def test_it_answers_as_the_author_of_the_model_says(service: Scoring) -> None:
    for one in CUSTOMERS:
        assert score(service, one) == pytest.approx(Version().probability(one), abs=1e-5)


def test_what_its_feature_code_does_wrong_comes_out_as_an_answer(service: Scoring, tmp_path: Path) -> None:
    right = Version().probability(CUSTOMERS[0])
    configured(service, tmp_path, columns=sorted(CUSTOMERS[0]))
    assert abs(score(service, CUSTOMERS[0]) - right) > 0.1
    configured(service, tmp_path, factors={"monthly_eur": 0.01})
    assert abs(score(service, CUSTOMERS[0]) - right) > 0.1


def test_a_gap_is_filled_refused_replaced_or_goes_through(service: Scoring, tmp_path: Path) -> None:
    assert math.isnan(score(service, GAP))
    configured(service, tmp_path, finite=True)
    assert score(service, GAP) == 422
    configured(service, tmp_path, instead=0.0)
    assert score(service, GAP) == 0.0
    configured(service, tmp_path, defaults={"tickets": 0.0})
    assert score(service, GAP) == pytest.approx(Version().probability({**CUSTOMERS[0], "tickets": 0.0}), abs=1e-5)


def test_columns_without_names_are_taken_by_place(service: Scoring) -> None:
    matrix = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": list(CUSTOMERS[0].values())}
    answer = service.handle(PATH, json.dumps({"inputs": [matrix]}).encode())
    assert answer.value["outputs"][1]["data"][1] == pytest.approx(Version().probability(CUSTOMERS[0]), abs=1e-5)


def test_it_speaks_http(port: int) -> None:
    seen = []
    for verb, path, sent in (
        ("GET", "/v2/health/ready", None),
        ("GET", "/v2/models/churn", None),
        ("GET", "/nothing", None),
        ("POST", PATH, json.dumps(body([CUSTOMERS[0]]))),
        ("POST", PATH, "no json"),
    ):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        client.request(verb, path, sent)
        seen.append(client.getresponse().status)
        client.close()
    assert seen == [200, 200, 404, 200, 500]


def test_what_the_model_gets_is_in_the_log_under_the_requests_id(service: Scoring, tmp_path: Path) -> None:
    log = tmp_path / "served.jsonl"
    configured(service, tmp_path, log=str(log), factors={"monthly_eur": 100.0}, clip={"monthly_eur": [20.0, 95.0]})
    service.handle(PATH, json.dumps({"id": "c0", **body([CUSTOMERS[0]])}).encode())
    service.handle(PATH, json.dumps(body([CUSTOMERS[1]])).encode())
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [one["key"] for one in told] == ["c0", None]
    assert told[0] == {"key": "c0", "at": told[0]["at"], **CUSTOMERS[0], "monthly_eur": 95.0}
