"""The commands of the playbook on retraining, executed in their order; and the page shows what they print."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from playbooks import ROOT, example, executed, unseen

from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.registry.store import Registry
from plumbline.lab.parts.ports import free_port

PAGE = ROOT / "docs/infrastructure/deployment/retraining.md"


@pytest.mark.timeout(300)
def test_a_world_that_moves_trains_and_deploys_once_and_a_bug_does_not(tmp_path: Path) -> None:
    example(tmp_path)
    shutil.copy(ROOT / "examples/deployment/world.py", tmp_path)
    port = str(free_port())
    rules = (ROOT / "examples/deployment/retraining.yml").read_text().replace("8080", port)
    (tmp_path / "retraining.yml").write_text(rules)
    page = PAGE.read_text().replace("/tmp/churn.sock", "churn.sock").replace("8080", port)
    printed, shown = executed([page], tmp_path)
    assert len(shown) == 4
    assert unseen(shown, printed) == []
    assert ": none for another 24 h." in printed
    with Registry.open(tmp_path / "build/registry", read_only=True) as registry:
        assert registry.aliases("churn") == {"production": "1.0.1"}
        old, new = (registry.get("churn", version).manifest for version in ("1.0.0", "1.0.1"))
    assert old.lineage.data != new.lineage.data
    journal = Journal(tmp_path / "build/registry/deployments.db", read_only=True)
    second, _ = journal.deployments("churn")
    journal.close()
    assert second.ended == "promoted"
    assert second.plan.why.startswith("worse than it was: drop.roc_auc is 0.")
    with sqlite3.connect(tmp_path / "build/retraining.db") as state:
        (run,) = state.execute("SELECT outcome, why, seen FROM runs").fetchall()
    assert run[:2] == ("done", second.plan.why)
    assert json.loads(run[2])["labels"] == 6_000
    told = (tmp_path / "beside.log").read_text()
    assert "answers: 1.0.1" in told
    assert "failed:" not in told
