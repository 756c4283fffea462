"""Golden questions asked of servers with one fault each: the fault is what the evidence says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.evidence_answers import Answers, answers_from_url
from plumbline.deployment.evidence_missing import MissingValues, missing_from_url
from plumbline.deployment.probes import asking
from plumbline.deployment.probes.asking import reply
from plumbline.deployment.probes.golden import question, questions, same
from plumbline.evidence import Endpoint, UnavailableError

ROWS = ({"age": 30.0, "income": 4.0, "visits": 7.0}, {"age": 55.0, "income": 2.0, "visits": 1.0})
Row = dict[str, float]
Serve = Callable[[list[dict[str, Any]]], tuple[int, Any]]


def score(row: Row) -> float:
    return row["age"] / 100 + row["income"] - 0.3 * row["visits"]


def tensors(row: Row) -> dict[str, Any]:
    return {
        "inputs": [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in row.items()]
    }


def matrix(row: Row, names: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [list(row.values())]}
    return {"inputs": [told | ({"parameters": {"columns": list(row)}} if names else {})]}


def output(value: Any) -> tuple[int, Any]:
    return 200, {"outputs": [{"name": "score", "shape": [1], "datatype": "FP64", "data": [value]}]}


def by_name(change: Callable[[Row], Row] = dict) -> Serve:
    """A server that takes features by name, and then changes them."""

    def serve(inputs: list[dict[str, Any]]) -> tuple[int, Any]:
        if len(inputs) == 1:
            return 422, {"reason": "unnamed_columns", "error": "name your columns"}
        row = {one["name"]: one["data"][0] for one in inputs}
        changed = change(row)
        return output(float("nan") if None in changed.values() else score(changed))

    return serve


def by_place(*order: str) -> Serve:
    """A server that takes whatever comes in the order of its columns."""

    def serve(inputs: list[dict[str, Any]]) -> tuple[int, Any]:
        cells = inputs[0]["data"] if len(inputs) == 1 else [one["data"][0] for one in inputs]
        return output(score(dict(zip(order, cells, strict=True))))

    return serve


@contextmanager
def served(serve: Serve) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, value = serve(body["inputs"])
            told = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def seen(tmp_path: Path) -> Callable[..., Answers]:
    def see(serve: Serve, bodies: Callable[[Row], Any] = tensors, rows: tuple[Row, ...] = ROWS) -> Answers:
        golden = tmp_path / "golden.json"
        golden.write_text(json.dumps([{"body": bodies(row), "expect": {"score": [score(row)]}} for row in rows]))
        with served(serve) as url:
            return answers_from_url(Endpoint(name="t", url=url, model="m", golden=str(golden)))

    return see


def test_right_answers_by_name(seen: Callable[..., Answers]) -> None:
    found = seen(by_name())
    assert (found.asked, found.right, found.by_place, found.unnamed_taken) == (2, 2, 0, False)


def test_two_features_under_each_others_names(seen: Callable[..., Answers]) -> None:
    found = seen(by_name(lambda row: {**row, "age": row["visits"], "visits": row["age"]}))
    assert (found.wrong, found.exchanged) == (2, ("age", "visits"))


def test_three_features_that_moved_round(seen: Callable[..., Answers]) -> None:
    found = seen(by_name(lambda row: {"age": row["income"], "income": row["visits"], "visits": row["age"]}))
    assert (found.wrong, len(found.exchanged)) == (2, 3)


def test_a_server_that_ignores_names_answers_otherwise_in_another_order(seen: Callable[..., Answers]) -> None:
    found = seen(by_place(*ROWS[0]))
    assert (found.right, found.by_place, found.unnamed_taken) == (2, 2, True)


def test_columns_without_names_can_be_exchanged_too(seen: Callable[..., Answers]) -> None:
    found = seen(by_place("income", "age", "visits"), lambda row: matrix(row, names=False))
    assert (found.wrong, found.exchanged) == (2, ("column 1", "column 2"))


def test_a_matrix_with_names_is_asked_in_another_order_too(seen: Callable[..., Answers]) -> None:
    found = seen(by_place(*ROWS[0]), lambda row: matrix(row, names=True))
    assert (found.right, found.by_place) == (2, 2)


def test_a_feature_in_another_unit(seen: Callable[..., Answers]) -> None:
    found = seen(by_name(lambda row: {**row, "income": row["income"] / 100}))
    assert (found.unit_of, found.unit) == ("income", "times 100")


def test_a_feature_that_does_not_matter_any_more(seen: Callable[..., Answers]) -> None:
    found = seen(by_name(lambda row: {**row, "visits": 3.3}))
    assert (found.wrong, found.exchanged, found.unit_of, found.ignored) == (2, (), "", ("visits",))


def test_nan_null_and_infinity_are_no_values(seen: Callable[..., Answers]) -> None:
    for cell in (None, float("nan"), float("inf"), "NaN"):
        assert seen(lambda _, cell=cell: output(cell)).not_finite == 2


def test_a_question_that_sends_a_gap_is_counted_apart(seen: Callable[..., Answers], tmp_path: Path) -> None:
    gap = {"body": tensors({**ROWS[0], "visits": None}), "expect": {"score": [4.3]}}  # type: ignore[dict-item]
    golden = tmp_path / "gaps.json"
    golden.write_text(json.dumps([gap, {"body": tensors(ROWS[1]), "expect": {"score": [score(ROWS[1])]}}]))
    with served(by_name()) as url:
        endpoint = Endpoint(name="t", url=url, model="m", golden=str(golden))
        found = answers_from_url(endpoint)
    assert (found.gaps, found.gaps_not_finite, found.right) == (1, 1, 1)
    with served(by_name(lambda row: {name: value or 0.0 for name, value in row.items()})) as url:
        found = answers_from_url(Endpoint(name="t", url=url, model="m", golden=str(golden)))
    assert found.right == 2


def test_refusals_are_told_with_their_reason(seen: Callable[..., Answers]) -> None:
    found = seen(lambda _: (422, {"reason": "unknown_field", "error": "no input 'age'"}))
    assert (found.refused, found.refusal) == (2, "422 unknown_field no input 'age'")
    assert seen(lambda _: (200, b"<html>")).refused == 2


def test_without_time_nothing_is_explained(seen: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SPENT_S", -1.0)
    found = seen(by_name(lambda row: {**row, "age": row["visits"], "visits": row["age"]}))
    assert (found.wrong, found.exchanged, found.complete) == (2, (), False)


def test_nobody_there_is_unreachable_and_no_address_is_told(tmp_path: Path) -> None:
    golden = tmp_path / "golden.json"
    golden.write_text(json.dumps([{"body": tensors(ROWS[0]), "expect": {}}]))
    with pytest.raises(UnavailableError, match="does not answer"):
        answers_from_url(Endpoint(name="t", url="http://127.0.0.1:1", model="m", golden=str(golden)))
    with pytest.raises(UnavailableError, match="no http"):
        answers_from_url(Endpoint(name="t", url="ws://127.0.0.1:1", model="m", golden=str(golden)))


@pytest.mark.parametrize("text", ["[]", "no json", '{"body": 1}', '[{"body": {"inputs": []}, "expect": {}}]'])
def test_a_file_that_holds_no_questions_is_malformed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "golden.json"
    path.write_text(text)
    with pytest.raises(UnavailableError) as told:
        questions(str(path))
    assert told.value.reason == "malformed"
    with pytest.raises(UnavailableError, match="cannot be read"):
        questions(str(tmp_path / "none.json"))


def test_a_request_is_sent_as_it_was_written() -> None:
    for body in (tensors(ROWS[0]), {**matrix(ROWS[0], names=True), "id": "7"}, matrix(ROWS[0], names=False)):
        sent = question(body, {}).body()
        assert [one["name"] for one in sent["inputs"]] == [one["name"] for one in body["inputs"]]
        assert {key: value for key, value in sent.items() if key != "inputs"} == {
            key: value for key, value in body.items() if key != "inputs"
        }
        assert [one.get("parameters") for one in sent["inputs"]] == [one.get("parameters") for one in body["inputs"]]


def test_numbers_are_the_same_within_a_thousandth_and_words_only_if_they_are() -> None:
    assert same(0.5004, 0.5)
    assert same(1000.5, 1000)
    assert not same(0.52, 0.5)
    assert same("yes", "yes")
    assert not same(None, 0.0)
    assert not same("1", 1)


def test_answers_of_other_servers_are_read() -> None:
    assert reply(400, b'{"detail": "wrong shape"}').sentence == "wrong shape"
    assert reply(500, b"oops").sentence == "oops"
    assert reply(200, b'{"outputs": [{"name": "y", "data": [[1, 2], [3, 4]]}]}').outputs == {"y": (1, 2, 3, 4)}
    assert not reply(200, b"[]").given


def gaps_seen(serve: Serve, tmp_path: Path) -> MissingValues:
    golden = tmp_path / "golden.json"
    golden.write_text(json.dumps([{"body": tensors(ROWS[0]), "expect": {"score": [score(ROWS[0])]}}]))
    with served(serve) as url:
        return missing_from_url(Endpoint(name="t", url=url, model="m", golden=str(golden)))


def test_each_feature_is_left_out_in_turn(tmp_path: Path) -> None:
    found = gaps_seen(by_name(), tmp_path)
    assert (found.tried, found.refused, found.predicted, found.not_finite) == (3, 0, 0, ("age", "income", "visits"))


def test_a_gap_may_be_refused_predicted_or_break_the_server(tmp_path: Path) -> None:
    def serve(inputs: list[dict[str, Any]]) -> tuple[int, Any]:
        (gap,) = [one["name"] for one in inputs if one["data"] == [None]]
        return {"age": (422, {"error": "age is missing"}), "income": (500, {"error": "KeyError"})}.get(gap, output(1.0))

    found = gaps_seen(serve, tmp_path)
    assert (found.refused, found.broken, found.predicted) == (1, ("income",), 1)


def test_without_time_no_feature_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SPENT_S", -1.0)
    assert gaps_seen(by_name(), tmp_path).tried == 0
