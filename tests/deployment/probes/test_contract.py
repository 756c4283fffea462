"""What callers send, held against what a server declares and refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.evidence_contract import contract_from_url
from plumbline.deployment.probes import asking
from plumbline.deployment.probes.asking import Reply, reply
from plumbline.deployment.probes.contract import contract, declared, mismatch
from plumbline.evidence import Endpoint


def asked(*names: str, datatype: str = "FP64") -> Any:
    return {"inputs": [{"name": name, "shape": [1], "datatype": datatype, "data": [1]} for name in names]}


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    golden = tmp_path / "golden.json"
    golden.write_text(json.dumps([{"body": asked("age", "tickets"), "expect": {"y": [1]}}]))
    return Endpoint(name="t", url="http://127.0.0.1:1", model="m", golden=str(golden))


def answering(monkeypatch: pytest.MonkeyPatch, metadata: Reply, given: Reply) -> None:
    monkeypatch.setattr(asking.Server, "metadata", lambda _: metadata)
    monkeypatch.setattr(asking.Server, "infer", lambda _, __: given)


def told(status: int, value: Any) -> Reply:
    return reply(status, json.dumps(value).encode())


RENAMED = told(200, {"inputs": [{"name": "age", "datatype": "FP64"}, {"name": "support_tickets", "datatype": "FP64"}]})


def test_a_renamed_feature_is_unknown_and_lacking(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    answering(monkeypatch, RENAMED, told(422, {"reason": "unknown_field", "error": "no input 'tickets'"}))
    found = contract_from_url(endpoint)
    assert (found.mismatched, found.unknown, found.lacking) == (1, ("tickets",), ("support_tickets",))
    assert found.refusal == "422 unknown_field no input 'tickets'"


def test_an_optional_feature_is_not_lacking_and_a_text_is_no_number(
    monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
) -> None:
    inputs = [
        {"name": "age", "datatype": "BYTES"},
        {"name": "tickets", "datatype": "INT64"},
        {"name": "region", "datatype": "BYTES", "parameters": {"required": False}},
    ]
    answering(monkeypatch, told(200, {"inputs": inputs}), told(503, {"reason": "full", "error": "the queue is full"}))
    found = contract_from_url(endpoint)
    assert (found.lacking, found.unknown, found.retyped) == ((), (), ("age",))
    assert (found.mismatched, found.other_refusal) == (0, "503 full the queue is full")


def test_a_server_without_metadata_is_judged_by_its_refusals(
    monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
) -> None:
    answering(monkeypatch, told(404, {"error": "not found"}), told(200, {"outputs": [{"name": "y", "data": [1]}]}))
    found = contract(endpoint)
    assert (found["declared"], found["answered"]) == (None, 1)
    assert declared(told(200, [])) == {}


@pytest.mark.parametrize(
    ("status", "sentence", "about_inputs"),
    [
        (400, "Got invalid dimensions for input: inputs", True),
        (500, "ValueError: X has 29 features, but LogisticRegression is expecting 30", True),
        (500, "KeyError: 'tickets'", True),
        (500, "out of memory", False),
        (503, "no such feature yet", False),
    ],
)
def test_refusals_of_other_servers_are_told_by_their_words(status: int, sentence: str, about_inputs: bool) -> None:
    assert mismatch(told(status, {"error": sentence})) is about_inputs
