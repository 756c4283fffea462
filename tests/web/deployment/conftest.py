"""A registry with two versions, a journal in which one deployment waits, and a page of a browser on the app."""

from __future__ import annotations

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
from plumbline.web.deployment import registries


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
