"""Registries and deployments over HTTP: what is read, and what is said of what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asking import API, refusal
from fastapi.testclient import TestClient

from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.plan import Plan
from plumbline.deployment.registry.store import Registry


def test_registries_are_the_default_one_and_those_of_the_targets(client: TestClient, home: Path) -> None:
    found = client.get(f"{API}/registries").json()
    assert [one["name"] for one in found["registries"]] == ["default", "new"]
    assert found["registries"][0]["at"] == str(home)
    assert refusal(client.get(f"{API}/models", params={"registry": "/etc"})) == (404, "no_registry")


def test_models_versions_and_the_history_of_aliases_are_read(client: TestClient, home: Path) -> None:
    (line,) = client.get(f"{API}/models").json()["models"]
    assert (line["highest"], line["versions"], line["aliases"]) == ("1.0.1", 2, {"production": "1.0.0"})
    model = client.get(f"{API}/models/churn").json()
    assert [one["version"] for one in model["versions"]] == ["1.0.1", "1.0.0"]
    version = client.get(f"{API}/models/churn/versions/1.0.1").json()
    assert (version["rises"], version["against"], version["evidence"]) == ("patch", "1.0.0", {"rows": 3})
    assert version["manifest"]["card"] == "Who leaves?"
    assert [one["name"] for one in version["manifest"]["signature"]["inputs"]] == ["age"]
    (move,) = client.get(f"{API}/models/churn/aliases").json()["history"]
    assert (move["source"], move["target"], move["by"], move["why"]) == (None, "1.0.0", "ada", "the first")
    for path in ("models/nobody", "models/nobody/aliases", "models/churn/versions/9.9.9", "deployments/churn-1"):
        assert refusal(client.get(f"{API}/{path}")) == (404, "not_found")


def test_a_deployment_shows_its_steps_verdicts_and_that_it_waits(client: TestClient, journal: Journal) -> None:
    (line,) = client.get(f"{API}/deployments", params={"model": "churn"}).json()["deployments"]
    assert (line["from"], line["to"], line["step"], line["waits"]) == ("1.0.0", "1.0.1", "approval", True)
    body = client.get(f"{API}/deployments/churn-1").json()
    states = {one["step"]: one["state"] for one in body["steps"]}
    assert list(states) == ["build", "test", "gates", "approval", "prepare", "shift:0", "watch:0", "promote", "settle"]
    assert states["gates"] == "overridden"
    assert states["approval"] == "running"
    assert states["settle"] == "pending"
    gates = body["steps"][2]
    assert [one["overridden"] and one["overridden"]["by"] for one in gates["verdicts"]] == [None, "eve"]
    assert body["steps"][6]["hold_s"] == 60
    assert body["entries"][0]["step"] == "run"
    assert client.get(f"{API}/models").json()["models"][0]["deploying"] == "churn-1"


def test_what_failed_leaves_the_rest_undone_and_shares_bear_versions(client: TestClient, journal: Journal) -> None:
    old, new = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    shares = {old: 0.9, new: 0.05, f"{old}#baseline": 0.05}
    lines: list[tuple[str, str, dict[str, Any]]] = [
        ("approval", "done", {"result": "ok", "sentence": "approved"}),
        ("prepare", "done", {"result": "ok", "sentence": "loaded"}),
        ("shift:0", "done", {"result": "ok", "sentence": "5%", "shares": shares}),
        ("watch:0", "failed", {"result": "fail", "sentence": "errors", "look": {"requests": [3, 4]}}),
        ("roll-back", "intent", {}),
    ]
    for step, kind, data in lines:
        journal.append("churn-1", step, kind, data, epoch=1)  # type: ignore[arg-type]
    journal.append(
        "churn-1", "stop", "note", {"by": "eve", "why": "enough", "expires_at": 0.0, "gate": "", "digest": ""}
    )
    body = client.get(f"{API}/deployments/churn-1").json()
    steps = {one["step"]: one for one in body["steps"]}
    assert [(one["version"], one["copy"]) for one in steps["shift:0"]["shares"]] == [
        ("1.0.0", False), ("1.0.1", False), ("1.0.0", True),
    ]  # fmt: skip
    assert (steps["watch:0"]["state"], steps["promote"]["state"], steps["roll-back"]["state"]) == (
        "fail",
        "skipped",
        "running",
    )
    assert body["notes"][0]["said"] == "stop"
    assert (body["waits"], body["sentence"]) == (False, "errors")


def test_the_very_version_that_serves_needs_no_gates(client: TestClient, home: Path) -> None:
    journal = Journal(home / "deployments.db")
    one = journal.begin(Plan("churn", "ada", "again"))
    versions = {"candidate": ["1.0.0", "sha256:" + "a" * 64], "production": ["1.0.0", "sha256:" + "a" * 64]}
    journal.append(one.id, "build", "done", {"result": "same", "sentence": "as it is", "versions": versions}, epoch=1)
    journal.append(one.id, "promote", "intent", {}, epoch=1)
    states = {step["step"]: step["state"] for step in client.get(f"{API}/deployments/{one.id}").json()["steps"]}
    journal.close()
    assert (states["build"], states["gates"], states["promote"], states["settle"]) == (
        "same",
        "skipped",
        "running",
        "pending",
    )


def test_an_empty_registry_says_what_to_do_next(client: TestClient, home: Path, tmp_path: Path) -> None:
    body = client.get(f"{API}/overview", params={"registry": "new"}).json()
    assert "there is no registry" in body["absent"]
    assert "plumb model register FOLDER --registry" in body["next"]
    assert not (tmp_path / "new").exists()
    assert refusal(client.get(f"{API}/models", params={"registry": "new"})) == (404, "empty")
    Registry.open(tmp_path / "new").close()
    assert "holds no model yet" in client.get(f"{API}/overview", params={"registry": "new"}).json()["absent"]
    assert client.get(f"{API}/deployments", params={"registry": "new"}).json() == {"deployments": []}


def test_a_damaged_journal_is_a_sentence_not_a_crash(client: TestClient, home: Path) -> None:
    (home / "deployments.db").write_bytes(b"no database at all" * 100)
    answer = client.get(f"{API}/deployments")
    assert refusal(answer) == (503, "unavailable")
    assert "journal of deployments" in client.get(f"{API}/overview").json()["absent"]


def test_without_the_packages_it_is_said_which_extra_brings_them(client: TestClient, home: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plumbline.deployment.pipeline", None)
    answer = client.get(f"{API}/models")
    assert refusal(answer) == (503, "not_installed")
    assert "plumbline[deployment]" in answer.json()["error"]["hint"]


def test_targets_that_cannot_be_read_are_said(client: TestClient, home: Path, tmp_path: Path) -> None:
    (tmp_path / "plumbline.toml").write_text("[targets\n")
    assert refusal(client.get(f"{API}/registries")) == (503, "targets")
    assert refusal(client.get(f"{API}/experiments")) == (503, "targets")
