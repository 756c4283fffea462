"""What callers may send to a real server, and what it says to everything else."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

INFER = "/v2/models/churn/infer"


@pytest.fixture(scope="module")
def server(options: Callable[..., Options]) -> Iterator[Server]:
    more = {"max_body": 20_000, "max_rows": 50, "request_s": 0.5, "recent_rows": 10, "max_connections": 30}
    with Server(options(**more)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as one:
        yield one


def tensor(name: str, values: list[Any], datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": values, **more}


def request(**columns: list[Any]) -> dict[str, Any]:
    return {"inputs": [tensor(name, values) for name, values in columns.items()]}


def matrix(columns: list[str] | None, data: Any, shape: list[int], **more: Any) -> dict[str, Any]:
    one = {"name": "x", "shape": shape, "datatype": "FP64", "data": data, **more}
    return {"inputs": [one if columns is None else {**one, "parameters": {"columns": columns}}]}


def scores(client: httpx.Client, body: dict[str, Any]) -> list[float]:
    answer = client.post(INFER, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-model-version"].startswith("1.0.0+")
    return answer.json()["outputs"][0]["data"]


def test_columns_go_by_name_however_they_are_sent(client):
    named = scores(client, request(age=[40, 50], balance=[100, 0], visits=[2, 1]))
    assert named == pytest.approx([0.425557, 0.401312], abs=1e-5)
    assert scores(client, request(visits=[2, 1], balance=[100, 0], age=[40, 50])) == named
    assert scores(client, matrix(["age", "balance", "visits"], [40, 100, 2, 50, 0, 1], [2, 3])) == named
    assert scores(client, matrix(["visits", "age", "balance"], [[2, 40, 100], [1, 50, 0]], [2, 3])) == named
    upright = [{**tensor(name, [[a], [b]]), "shape": [2, 1]} for name, a, b in (("age", 40, 50), ("balance", 100, 0))]
    assert scores(client, {"inputs": [*upright, tensor("visits", [2, 1], "INT64")]}) == named


def test_defaults_and_missing_values_are_what_the_signature_says(client):
    assert scores(client, request(age=[40], balance=[100])) == scores(
        client, request(age=[40], balance=[100], visits=[3])
    )
    assert scores(client, request(age=[40], balance=[None])) == scores(client, request(age=[40], balance=[0]))


def test_the_answer_carries_the_id_and_only_the_outputs_asked_for(client):
    body = request(age=[40], balance=[100]) | {"id": "a-1", "outputs": [{"name": "score"}]}
    found = client.post(INFER, json=body).json()
    assert found["id"] == "a-1"
    assert found["model_name"] == "churn"
    assert found["outputs"][0] | {"data": None} == {"name": "score", "shape": [1], "datatype": "FP32", "data": None}
    wrong = client.post(INFER, json=body | {"outputs": [{"name": "label"}]})
    assert (wrong.status_code, wrong.json()["reason"]) == (422, "unknown_output")


AGE, BALANCE = tensor("age", [40]), tensor("balance", [1.0])


@pytest.mark.parametrize(
    ("body", "reason", "field", "row"),
    [
        (request(age=[40, 41], balance=[1, "x"]), "wrong_type", "balance", 1),
        (request(age=[40, 200], balance=[1, 1]), "out_of_range", "age", 1),
        (request(age=[40, 40.5], balance=[1, 1]), "wrong_type", "age", 1),
        (request(age=[40, None], balance=[1, 1]), "missing_value", "age", 1),
        (request(age=[40]), "missing_field", "balance", None),
        (request(age=[40], balance=[1], blance=[1]), "unknown_field", "blance", None),
        (request(age=[40], balance=[1], zzz=[1]), "unknown_field", "zzz", None),
        (request(age=[40], balance=[1, 2]), "wrong_shape", "balance", None),
        (request(age=[], balance=[]), "empty_batch", "age", None),
        (request(age=[1] * 51, balance=[1] * 51), "too_many_rows", "age", None),
        ({"inputs": []}, "missing_field", "age", None),
        ({"inputs": [AGE, AGE, BALANCE]}, "duplicate_field", "age", None),
        ({"inputs": [AGE | {"data": [1, 2]}, BALANCE]}, "wrong_shape", "age", None),
        ({"inputs": [AGE | {"datatype": "FP128"}, BALANCE]}, "wrong_type", "age", None),
        ({"inputs": [AGE | {"datatype": "BYTES", "data": ["a"]}, BALANCE]}, "wrong_type", "age", None),
        ({"inputs": [AGE | {"datatype": "BOOL", "data": [True]}, BALANCE]}, "wrong_type", "age", None),
        ({"inputs": [AGE | {"shape": []}, BALANCE]}, "wrong_shape", "age", None),
        ({"inputs": [AGE | {"shape": [-1]}, BALANCE]}, "wrong_shape", "age", None),
        ({"inputs": [AGE | {"shape": [1, 1, 1]}, BALANCE]}, "wrong_shape", "age", None),
        (matrix(None, [40, 1], [1, 2]), "unnamed_columns", "x", None),
        (matrix(["age"], [40, 1], [1, 2]), "wrong_shape", "x", None),
        (matrix(["age", "age"], [40, 1], [1, 2]), "duplicate_field", "age", None),
        (matrix(["age", "balance"], [40, 1, 2], [1, 2]), "wrong_shape", "x", None),
        (matrix(["age", "balance"], [[40, 1], [2]], [2, 2]), "wrong_shape", "x", None),
        (matrix(["age", "balance"], [40, 1, 41, "x"], [2, 2]), "wrong_type", "x", 1),
        (matrix(["age", "balance"], [[40, 1], [41, "x"]], [2, 2]), "wrong_type", "x", 1),
        (matrix(["age", "balance"], [40, 1, 200, 1], [2, 2]), "out_of_range", "age", 1),
        (matrix(["age", "nothing"], [40, 1], [1, 2]), "unknown_field", "nothing", None),
        (matrix([1, 2], [40, 1], [1, 2]), "wrong_type", "x", None),  # type: ignore[list-item] # on purpose
    ],
)
def test_what_is_wrong_is_named_with_its_field_and_row(client, body, reason, field, row):
    answer = client.post(INFER, json=body)
    found = answer.json()
    assert (answer.status_code, found["reason"], found["field"], found.get("row")) == (422, reason, field, row)
    assert found["error"].startswith(("input", "the ", "column"))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nothing", b'{"inputs": 1}', b'{"inputs":[{"name":"age"}]}', b"\xff", b"[" * 9000]
)
def test_what_is_no_request_is_malformed(client, body):
    answer = client.post(INFER, content=body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed")


def test_a_number_beyond_fp64_is_refused(client):
    for number in ("1e999", "9" * 400):
        body = json.dumps(request(age=[40], balance=[0])).replace('"data": [0]', f'"data": [{number}]')
        assert client.post(INFER, content=body).status_code == 422


def test_a_body_beyond_the_limit_is_refused(client):
    answer = client.post(INFER, content=b"y" * 20_001)
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")


def test_a_hundred_megabytes_go_through_and_are_not_kept(options):
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * (1 << 20)

    with Server(options(drain_grace_s=0.0)) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        before = _peak(server.pid)
        answer = client.post(INFER, content=pieces())
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
        assert _peak(server.pid) - before < 50_000  # kB


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    [high] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    return high


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/", 404, "unknown_path"),
        ("GET", "/v2/models/other", 404, "unknown_model"),
        ("POST", "/v2/models/churn/versions/9.9.9/infer", 404, "unknown_version"),
        ("GET", "/v2/models/churn/versions/9.9.9/ready", 404, "unknown_version"),
        ("GET", "/v2/models/churn/nothing", 404, "unknown_path"),
        ("GET", "/v2/models/../../etc/passwd", 404, "unknown_path"),
        ("GET", "/v2/models/churn/versions/%2e%2e%2fetc", 404, "unknown_path"),
        ("GET", "/v2/" + "x" * 2000, 404, "not_found"),
        ("GET", INFER, 405, "method_not_allowed"),
        ("POST", "/v2", 405, "method_not_allowed"),
        ("GET", "/v2/repository/index", 405, "method_not_allowed"),
        ("POST", "/v2/repository/nothing", 404, "unknown_path"),
        ("POST", "/v2/repository/models/churn/load", 403, "forbidden"),
        ("POST", "/v2/repository/models/churn/unload", 403, "forbidden"),
    ],
)
def test_other_paths_and_methods_say_why_not(client, method, path, status, reason):
    content = json.dumps(request(age=[40], balance=[1])) if path.endswith("infer") else None
    answer = client.request(method, path, content=content)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


def test_metadata_health_and_the_repository_answer(client):
    assert client.get("/v2").json()["name"] == "plumbline"
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json()["ready"] is True
    assert client.get("/v2/models/churn/ready").json()["ready"] is True
    assert client.get("/v2/models/churn/versions/1.0.0/ready").json()["ready"] is True
    assert client.head("/v2/health/ready").status_code == 200
    for path in ("/v2/models/churn", "/v2/models/churn/versions/1.0.0"):
        found = client.get(path).json()
        assert found["versions"] == ["1.0.0"]
        assert found["inputs"][0]["datatype"] == "INT64"
        assert found["inputs"][2]["parameters"]["default"] == 3.0
    index = client.post("/v2/repository/index", json={}).json()
    assert [(one["version"], one["state"]) for one in index] == [("1.0.0", "READY"), ("1.1.0", "UNAVAILABLE")]
    assert len(client.post("/v2/repository/index", json={"ready": True}).json()) == 1
    assert client.post("/v2/repository/index", content=b"{").status_code == 400


def test_recent_feature_values_are_kept_for_gates_and_bounded(client, server):
    for age in range(20, 40):
        scores(client, request(age=[age], balance=[None]))
    kept = server.ask("recent")
    assert kept["limit"] == 10
    assert kept["inputs"] == {"age": list(range(30, 40)), "balance": [None] * 10, "visits": [3.0] * 10}


def test_metrics_tell_outcomes_scores_and_missing_values_apart(client):
    def number(text: str, *parts: str) -> float:
        [line] = [one for one in text.splitlines() if not one.startswith("#") and all(part in one for part in parts)]
        return float(line.rpartition(" ")[2])

    before = client.get("/metrics").text
    for _ in range(5):
        scores(client, request(age=[40, 40], balance=[None, 1]))
    client.post(INFER, json=request(age=[400], balance=[1]))
    client.post(INFER, content=b"{")
    after = client.get("/metrics").text
    for parts, more in (
        (("requests_total", 'outcome="ok"'), 5),
        (("requests_total", 'outcome="invalid"'), 1),
        (("requests_total", 'outcome="malformed"'), 1),
        (("feature_missing_total", '"balance"'), 5),
        (("rows_total",), 10),
        (("score_count",), 10),
        (("latency_seconds_count",), 5),
    ):
        assert number(after, *parts) - number(before, *parts) == more, parts
    assert number(after, "plumbline_model_golden_same") == 1


def _said(server: Server, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
        link.sendall(sent)
        return b"".join(iter(lambda: link.recv(65536), b""))


def test_requests_that_do_not_end_are_cut_off(server):
    assert b" 408 " in _said(server, b"POST /v2 HTTP/1.1\r\nhost: a\r\n")
    assert b"slow_request" in _said(server, b"")
    slow = b"POST %s HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 9\r\n\r\n" % INFER.encode()
    assert b"slow_request" in _said(server, slow)
    assert b"slow_request" in _said(server, slow + b"{")
    assert b" 431 " in _said(server, b"GET /v2 HTTP/1.1\r\n" + b"a: " + b"b" * 70_000 + b"\r\n")
    assert b" 400 " in _said(server, b"nonsense\r\n\r\n")


def test_one_connection_too_many_is_told_to_come_back(server):
    links = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(31)]
    try:
        said = links[-1].recv(65536)
        assert b" 503 " in said
        assert b"retry-after: 1" in said
    finally:
        for link in links:
            link.close()


def test_a_client_that_hangs_up_in_the_middle_hurts_nobody(client, server):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port)) as link:
            link.sendall(b"POST %s HTTP/1.1\r\nhost: a\r\ncontent-length: 90\r\n\r\n{" % INFER.encode())
    assert scores(client, request(age=[40], balance=[1]))
    assert "Traceback" not in server.log.read_text()
