"""The commands, end to end: a real registry, a real model server on a real socket, requests all the while."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression

from plumbline.cli.main import main
from plumbline.deployment.models import pack
from plumbline.deployment.pipeline.candidate import leave
from plumbline.deployment.registry.store import Registry
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

PIPELINE = """\
schema: plumbline.pipeline/1
model: {{name: churn, folder: build}}
test:
  - run: test -d build
gates: [signature]
strategy: {{kind: blue-green, watch: {watch}}}
watch: {{least: 40, every: 50ms, drift: null}}
approval: {{needed: {needed}, by: [eve], override: [eve]}}
lane: {{admin: [admin.sock]}}
"""


def build(folder: Path, slope: float) -> None:
    rng = np.random.default_rng(3)
    sample = rng.normal(50, 15, (200, 2))
    names = ("age", "spend")
    labels = (slope * (sample[:, 0] - 50) + rng.normal(0, 5, 200) > 0).astype(int)
    manifest, _ = pack(LogisticRegression().fit(sample, labels), (sample, names), model="churn", folder=folder)
    leave(folder, manifest)


class Callers:
    """Asks on and on, each request once; keeps what failed and who answered."""

    def __init__(self, url: str, body: dict) -> None:
        self.url, self.body, self.failed, self.versions, self.over = url, body, [], [], threading.Event()
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()

    def ask(self) -> None:
        with httpx.Client(trust_env=False) as client:
            while not self.over.is_set():
                answer = client.post(f"{self.url}/v2/models/churn/infer", json=self.body)
                if answer.status_code != 200:
                    self.failed.append(answer.text)
                self.versions.append(answer.headers.get("x-model-version", "").partition("+")[0])

    def stop(self) -> None:
        self.over.set()
        self.thread.join()


@pytest.fixture
def shop(tmp_path):
    """A model server without a version, and a way to say `plumb`."""
    registry = tmp_path / "registry"
    Registry.open(registry).close()
    options = Options(model="churn", registry=str(registry), port=0, drain_grace_s=0.0, warmup_s=0.0)
    with Server(options, tmp_path) as server:

        def plumb(*words: str, code: int = 0) -> str:
            ran = CliRunner().invoke(main, [*words, "--registry", str(registry)])
            assert ran.exit_code == code, ran.output + repr(ran.exception)
            return ran.output

        def declare(needed="never", watch="100ms") -> str:
            path = tmp_path / "pipeline.yml"
            path.write_text(PIPELINE.format(needed=needed, watch=watch))
            return str(path)

        yield tmp_path, plumb, declare, server


def test_ship_watch_approve_and_go_back_without_a_failed_request(shop) -> None:
    folder, plumb, declare, server = shop
    build(folder / "build", 1.0)
    assert "churn-1: promoted" in plumb("deploy", declare(), "--by", "ada", "--why", "the first")
    manifest = json.loads((folder / "build" / "plumbline.json").read_text())
    names = list(manifest["golden"]["inputs"])
    body = {"inputs": [{"name": one, "datatype": "FP64", "shape": [1], "data": [44.0]} for one in names]}
    callers = Callers(server.url, body)
    try:
        build(folder / "build", -1.0)
        assert "waits at 'approval'" in plumb("deploy", declare("always"), "--by", "ada", code=3)
        assert "may not approve" in plumb("deployments", "approve", "churn-2", "--why", "x", "--by", "bob", code=1)
        plumb("deployments", "approve", "churn-2", "--why", "looked at it", "--by", "eve")
        told = plumb("deploy", declare("always"), "--resume")
        assert "churn-2: promoted" in told
        assert "a freshly loaded copy" in told
        assert "no harm in" in told
        new = server.ask("status")["shares"]
        assert len(new) == 1
        went_back = plumb("rollback", "churn", "--why", "baskets are abandoned", "--by", "eve")
        assert "churn-3: promoted" in went_back
        assert server.ask("status")["shares"] != new
    finally:
        callers.stop()
    assert callers.failed == []
    assert len(set(callers.versions)) == 2
    assert callers.versions[-1] == "1.0.0"
    history = plumb("deployments", "churn")
    assert history.index("churn-3") < history.index("churn-2") < history.index("churn-1")
    assert "watch:0" in plumb("deployments", "show", "churn-2")
    facts = json.loads(plumb("deployments", "churn", "--json"))
    assert [one["ended"] for one in facts] == ["promoted"] * 3
    with Registry.open(folder / "registry") as registry:
        assert registry.aliases("churn")["production"] == "1.0.0"
        assert [one.by for one in registry.history("churn")] == ["ada", "ada", "eve"]


def test_without_requests_the_old_version_stays_and_an_override_is_audited(shop) -> None:
    folder, plumb, declare, server = shop
    build(folder / "build", 1.0)
    plumb("deploy", declare())
    old = server.ask("status")["shares"]
    build(folder / "build", -1.0)
    quick = declare(watch="20ms")
    assert "no traffic is not health" in plumb("deploy", quick, code=1)
    assert server.ask("status")["shares"] == old
    assert "holds" not in plumb("deployments", "override", "churn-2", "watch", "--why", "night", "--by", "eve")
    assert "overridden" in plumb("deploy", quick)
    assert server.ask("status")["shares"] != old
    assert "nothing to go on with" in plumb("deploy", quick, "--resume")
    for verb in ("stop", "refuse"):
        assert "is over" in plumb("deployments", verb, "churn-3", "--why", "late", code=1)


def test_what_cannot_be_done_is_one_sentence(shop) -> None:
    folder, plumb, declare, _ = shop
    assert "no deployment yet of nobody in" in plumb("deployments", "nobody")
    assert "there is no such file" in plumb("deploy", str(folder / "none.yml"), code=1)
    assert "points at nothing" in plumb("rollback", "churn", "--why", "x", code=1)
    assert "rejected" in plumb("deploy", declare(), code=1)  # the build left nothing
    assert "there is no deployment 'churn-9'" in plumb("deployments", "show", "churn-9", code=1)


def test_a_mistyped_registry_is_told_and_none_is_made(tmp_path) -> None:
    where = tmp_path / "mistyped"
    said = CliRunner().invoke(main, ["rollback", "churn", "--why", "x", "--registry", str(where)])
    assert (said.exit_code, where.exists()) == (1, False)
    assert "holds no registry (registry.db is missing); --registry names another" in said.output
