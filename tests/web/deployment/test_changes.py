"""The few things that people may change over HTTP: with the token, a name and a reason, on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from asking import API, SAID, TOKEN, refusal
from deployers import Lane, Server
from fastapi.testclient import TestClient

from plumbline.deployment.pipeline import approvals
from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.parts import Approval
from plumbline.deployment.pipeline.plan import LaneUse, Plan
from plumbline.deployment.registry.store import Registry
from plumbline.web.app import create_app


def test_a_deployment_is_answered_with_the_token_a_name_and_a_reason(client: TestClient, journal: Journal) -> None:
    path = f"{API}/deployments/churn-1"
    assert refusal(client.post(f"{path}/approve", json=SAID)) == (401, "token")
    assert refusal(client.post(f"{path}/approve", json={"by": "eve"}, headers=TOKEN)) == (422, "invalid")
    assert client.post(f"{path}/approve", json=SAID, headers=TOKEN).status_code == 201
    assert client.get(path).json()["waits"] is False  # for a person; whoever resumes it goes on
    assert client.post(f"{path}/refuse", json=SAID, headers=TOKEN).json()["step"] == "refuse"
    assert client.post(f"{path}/stop", json=SAID, headers=TOKEN).json()["data"]["why"] == "looked at it"
    assert [one["said"] for one in client.get(path).json()["notes"]] == ["approve", "refuse", "stop"]
    assert refusal(client.post(f"{API}/deployments/churn-9/stop", json=SAID, headers=TOKEN)) == (404, "not_found")
    elsewhere = {"headers": TOKEN, "params": {"registry": "new"}}
    assert refusal(client.post(f"{path}/stop", json=SAID, **elsewhere)) == (404, "empty")


def test_an_alias_moves_by_compare_and_set(client: TestClient, home: Path) -> None:
    path = f"{API}/models/churn/aliases/production"
    late = client.put(path, json={**SAID, "to": "1.0.1", "expect": "0.9.0"}, headers=TOKEN)
    assert refusal(late) == (409, "conflict")
    done = client.put(path, json={**SAID, "to": "1.0.1", "expect": "1.0.0"}, headers=TOKEN).json()
    assert (done["source"], done["target"], done["by"]) == ("1.0.0", "1.0.1", "eve")


def test_an_app_that_others_reach_changes_nothing(home, settings, catalogue, monkeypatch) -> None:
    monkeypatch.setattr("plumbline.web.app.entry_points", lambda **_: ())
    far = replace(settings, host="10.0.0.1")
    page = TestClient(create_app(far, catalogue), base_url="http://127.0.0.1:8000")
    answer = page.put(f"{API}/models/churn/aliases/x", json={**SAID, "to": "1.0.1", "expect": None}, headers=TOKEN)
    assert refusal(answer) == (403, "not_here")
    for path in ("models/churn/rollback", "deployments/churn-1/override"):
        body = SAID if path.endswith("rollback") else {**SAID, "gate": "latency"}
        assert refusal(page.post(f"{API}/{path}", json=body, headers=TOKEN)) == (403, "not_here")


@pytest.fixture
def servers(home: Path, tmp_path: Path) -> Iterator[Server]:
    """Model servers that serve the second version, deployed after the first."""
    with Registry.open(home) as registry:
        registry.move("churn", "production", to="1.0.1", expect="1.0.0", by="ada", why="better")
        old, new = (registry.get("churn", version).digest for version in ("1.0.0", "1.0.1"))
    journal = Journal(home / "deployments.db")
    one = journal.begin(Plan("churn", "ada", "better", lane=LaneUse(admin=(str(tmp_path / "admin.sock"),))))
    journal.append(one.id, "settle", "done", {"result": "ok"}, epoch=1, ended="promoted")
    journal.close()
    server = Server(tmp_path / "admin.sock", Lane({new: 1.0}, {old, new}))
    yield server
    server.close()


def test_the_way_back_moves_alias_and_servers_and_is_in_the_journal(client, home: Path, servers: Server) -> None:
    path = f"{API}/models/churn/rollback"
    assert refusal(client.post(path, json=SAID)) == (401, "token")
    assert refusal(client.post(path, json={"by": "eve"}, headers=TOKEN)) == (422, "invalid")
    assert refusal(client.post(path, json={**SAID, "to": "9.9.9"}, headers=TOKEN)) == (404, "not_found")
    answer = client.post(path, json=SAID, headers=TOKEN)
    assert answer.status_code == 201
    line = answer.json()
    assert (line["kind"], line["ended"], line["from"], line["to"]) == ("rollback", "promoted", "1.0.1", "1.0.0")
    assert (line["by"], line["why"]) == ("eve", "looked at it")
    with Registry.open(home, read_only=True) as registry:
        assert registry.aliases("churn") == {"production": "1.0.0"}
        assert servers.lane.shares == {registry.get("churn", "1.0.0").digest: 1.0}
    assert refusal(client.post(path, json=SAID, headers=TOKEN)) == (404, "not_found")  # none served before


def test_a_way_back_that_the_servers_refuse_is_told_and_changes_nothing(client, home: Path, servers: Server) -> None:
    servers.lane.broken = {"prepare": 9}
    servers.lane.ready = set(servers.lane.shares)  # the version before is not loaded any more
    answer = client.post(f"{API}/models/churn/rollback", json=SAID, headers=TOKEN)
    assert (answer.status_code, answer.json()["ended"]) == (409, "rolled-back")
    assert "prepare fails" in answer.json()["sentence"]
    with Registry.open(home, read_only=True) as registry:
        assert registry.aliases("churn") == {"production": "1.0.1"}


def test_after_a_way_back_that_was_blocked_nobody_is_at_work_on_it_and_it_goes_on(
    client: TestClient, home: Path, servers: Server
) -> None:
    servers.lane.broken = {"prepare": 2}  # what is to serve, and on the way back what served
    servers.lane.ready = set()
    path = f"{API}/models/churn/rollback"
    assert refusal(client.post(path, json=SAID, headers=TOKEN)) == (503, "unavailable")
    (line, _) = client.get(f"{API}/deployments").json()["deployments"]
    assert (line["ended"], line["at_work"]) == (None, None)  # this process lives on, but has left it
    assert client.post(path, json=SAID, headers=TOKEN).status_code == 201
    (line, *_) = client.get(f"{API}/deployments").json()["deployments"]
    assert (line["to"], line["ended"]) == ("1.0.0", "promoted")


def test_a_verdict_is_overridden_by_those_who_may_for_a_while(client: TestClient, home: Path) -> None:
    journal = Journal(home / "deployments.db")
    one = journal.begin(Plan("churn", "ada", "better", approval=Approval(override=("eve",))))
    path = f"{API}/deployments/{one.id}/override"
    wanted = {**SAID, "gate": "latency", "valid_s": 600}
    assert refusal(client.post(path, json=wanted)) == (401, "token")
    assert refusal(client.post(path, json=SAID, headers=TOKEN)) == (422, "invalid")  # of which gate?
    assert refusal(client.post(path, json={**wanted, "valid_s": 1e9}, headers=TOKEN)) == (422, "invalid")
    assert refusal(client.post(path, json={**wanted, "by": "mallory"}, headers=TOKEN)) == (422, "invalid")
    assert refusal(client.post(path, json=wanted, headers=TOKEN)) == (409, "conflict")  # no candidate yet
    journal.append(
        one.id, "gates", "failed", {"result": "fail"}, epoch=1, digest="sha256:" + "b" * 64, ended="rejected"
    )
    said = client.post(path, json=wanted, headers=TOKEN)
    assert said.status_code == 201
    assert {key: said.json()["data"][key] for key in ("by", "why", "gate")} == {**SAID, "gate": "latency"}
    (grant,) = approvals.overrides(journal, "churn", "sha256:" + "b" * 64, time.time()).items()
    assert grant[0] == "latency"
    assert approvals.overrides(journal, "churn", "sha256:" + "b" * 64, time.time() + 601) == {}
    journal.close()
