"""Registries and deployments over HTTP: what is read, what is refused, and the few things that people may change."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from small_artefacts import LOOKING, artefact

from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.parts import Approval
from plumbline.deployment.pipeline.plan import Plan, Stage
from plumbline.deployment.registry.store import Registry
from plumbline.web.app import create_app
from plumbline.web.deployment import api as deployment_api
from plumbline.web.deployment import live, registries
from plumbline.web.errors import Refusal
from plumbline.web.watching import Shared

API = "/api/deployment"
TOKEN = {"X-Plumbline-Token": "t" * 32}
SAID = {"by": "eve", "why": "looked at it"}


@pytest.fixture
def client(settings, catalogue, monkeypatch) -> TestClient:
    """A browser's page on the app; nothing is diagnosed here, so its workers are not started."""
    monkeypatch.setattr("plumbline.web.app.entry_points", lambda **_: ())
    return TestClient(create_app(settings, catalogue), base_url="http://127.0.0.1:8000")


@pytest.fixture
def home(tmp_path, settings, monkeypatch) -> Path:
    """A registry with two versions of one model, of which the first is in production."""
    folder = tmp_path / "registry"
    with Registry.open(folder) as registry:
        for number, content in enumerate((b"weights 1", b"weights 2")):
            manifest, files = artefact(tmp_path / f"build{number}", content)
            manifest = replace(manifest, card="Who leaves?", metrics={"roc_auc": 0.74})
            registry.register(manifest, files, by="ada", looking=LOOKING)
        registry.move("churn", "production", to="1.0.0", expect=None, by="ada", why="the first")
    monkeypatch.setenv(registries.VARIABLE, str(folder))
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(tmp_path / "plumbline.toml"))
    (tmp_path / "plumbline.toml").write_text(
        '[targets.mlflow]\nregistry = "http://127.0.0.1:5000"\n'
        f'[targets.new]\nregistry = "{tmp_path}/new"\n[targets.offer]\nexperiment = "{tmp_path}/offer.yml"\n'
    )
    return folder


@pytest.fixture
def journal(home):
    """Beside the registry: one deployment that waits for approval."""
    journal = Journal(home / "deployments.db")
    plan = Plan(
        "churn", "ada", "trained on November", stages=(Stage(0.05, 60, 600),), approval=Approval(needed="always")
    )
    one = journal.begin(plan)
    versions = {"candidate": ["1.0.1", "sha256:" + "b" * 64], "production": ["1.0.0", "sha256:" + "a" * 64]}
    verdicts = [
        {"gate": "signature", "outcome": "pass", "sentence": "as before", "measured": {}, "took_s": 0.0},
        {"gate": "latency", "outcome": "inconclusive", "sentence": "too few calls", "measured": {}, "took_s": 0.0},
    ]
    overridden = {"latency": {"by": "eve", "why": "measured elsewhere"}}
    lines: list[tuple[str, str, dict[str, Any]]] = [
        ("run", "note", {"host": "elsewhere", "pid": 1, "started": 0}),
        ("build", "intent", {}),
        ("build", "done", {"result": "ok", "sentence": "1.0.1, beside 1.0.0", "versions": versions}),
        ("test", "intent", {}),
        ("test", "done", {"result": "ok", "sentence": "no test is declared", "verdicts": []}),
        ("gates", "intent", {}),
        (
            "gates",
            "done",
            {"result": "overridden", "sentence": "overridden: latency", "verdicts": verdicts, "overridden": overridden},
        ),
        ("approval", "intent", {}),
    ]
    for step, kind, data in lines:
        journal.append(one.id, step, kind, data, epoch=1)  # type: ignore[arg-type]
    yield journal
    journal.close()


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


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


def test_experiments_are_those_of_the_targets(client: TestClient, home: Path, tmp_path: Path) -> None:
    assert client.get(f"{API}/experiments").json() == {"experiments": ["offer"]}
    assert refusal(client.get(f"{API}/experiments/none")) == (404, "no_experiment")
    assert client.get(f"{API}/experiments/offer").status_code in (404, 422)  # its file is not there
    example = Path(deployment_api.__file__).parents[4] / "examples/deployment/experiment.yml"
    (tmp_path / "offer.yml").write_text(example.read_text())
    (tmp_path / "offer.log").write_text("")
    found = client.get(f"{API}/experiments/offer").json()
    assert "advice" in found or found["error"]["code"]


async def heard(events: AsyncIterator[str], until: str) -> list[tuple[str, Any]]:
    """Return what was said up to the first event of a kind."""
    found = []
    async with contextlib.aclosing(events):  # type: ignore[type-var]
        async for text in events:
            fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"])))
                if fields["event"] == until:
                    break
    return found


def test_the_tail_of_a_journal_ends_with_the_deployment(journal: Journal, settings, monkeypatch) -> None:
    monkeypatch.setattr(live, "PERIOD_S", 0.001)
    journal.append("churn-1", "approval", "failed", {"result": "fail", "sentence": "no"}, epoch=1, ended="rejected")
    found = asyncio.run(heard(live._tail("default", "churn-1", 6, settings), "end"))
    assert [kind for kind, _ in found] == ["entry", "entry", "entry", "state", "end"]
    assert found[0][1]["seq"] == 7  # after the one that was seen last
    assert found[-1][1] == {"ended": "rejected"}


def test_lines_come_as_they_are_written(journal: Journal, settings, monkeypatch) -> None:
    monkeypatch.setattr(live, "PERIOD_S", 0.001)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.002)

    async def main() -> list[str]:
        said, quiet = [], 0
        async with contextlib.aclosing(live._tail("default", "churn-1", 8, settings)) as events:
            async for text in events:
                said.append(text)
                quiet += text.startswith(":")
                if quiet == 1:
                    journal.append("churn-1", "approval", "done", {"result": "ok", "sentence": "yes"}, epoch=1)
                    quiet += 1
                if text.startswith("id: 9"):
                    return said
        return said

    assert "event: entry" in asyncio.run(main())[-1]


def test_a_registry_that_is_gone_meanwhile_is_told(settings, home: Path, journal: Journal, monkeypatch) -> None:
    monkeypatch.setattr(live, "PERIOD_S", 0.001)

    async def main() -> dict[str, Any]:
        async with contextlib.aclosing(live._tail("default", "churn-1", 8, settings)) as events:
            async for text in events:
                if "event: state" in text:
                    body: dict[str, Any] = json.loads(text.split("data: ")[1])
                    if "absent" in body:
                        return body
                    (home / "registry.db").rename(home / "elsewhere.db")
        return {}

    assert "there is no registry" in asyncio.run(main())["absent"]
    assert "no_registry" not in live._look("gone", settings)
    assert "is shown here" in live._look("gone", settings)


def test_streams_are_refused_for_what_is_not_there_and_for_too_many(client: TestClient, journal: Journal) -> None:
    assert refusal(client.get(f"{API}/live", params={"registry": "x"})) == (404, "no_registry")
    assert refusal(client.get(f"{API}/deployments/churn-9/events")) == (404, "not_found")
    seats = live.Seats(0)
    with pytest.raises(Refusal, match="0 pages watch already"):
        seats.check()


def test_a_seat_is_free_again_when_the_reader_is_gone() -> None:
    async def one() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def main() -> None:
        seats = live.Seats(1)
        async with contextlib.aclosing(seats.hold(one())) as events:  # type: ignore[type-var]
            assert await anext(events) == "a"
            assert seats.taken == 1
        assert seats.taken == 0

    asyncio.run(main())


def test_the_overview_is_told_at_once_and_then_only_when_it_changed() -> None:
    texts = iter(["one", "one", "one", "two", *["two"] * 10_000])

    async def main() -> None:
        shared = Shared(lambda: next(texts), 0.001, changes=True)
        async with contextlib.aclosing(shared.follow()) as events:  # type: ignore[type-var]
            assert [await anext(events) for _ in range(3)] == ["retry: 2000\n\n", "one", "two"]
            async with contextlib.aclosing(shared.follow()) as late:  # type: ignore[type-var]
                assert [await anext(late) for _ in range(2)] == ["retry: 2000\n\n", "two"]
        assert shared.watchers == 0

    asyncio.run(main())


def test_a_quiet_stream_is_kept_alive(monkeypatch) -> None:
    monkeypatch.setattr("plumbline.web.watching.HEARTBEAT_S", 0.001)

    async def main() -> None:
        shared = Shared(lambda: "one", 0.001, changes=True)
        async with contextlib.aclosing(shared.follow()) as events:  # type: ignore[type-var]
            said = [await anext(events) for _ in range(4)]
        assert ": nothing new\n\n" in said

    asyncio.run(main())
