"""`plumb deploy --render`: a registered version as manifests, checked offline, and nothing else is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from test_deploy_cli import build

from plumbline.cli.main import main
from plumbline.deployment.lanes.kubernetes import TARGETS
from plumbline.deployment.pipeline.candidate import taken
from plumbline.deployment.registry.store import Registry

EXAMPLES = Path(__file__).parents[3] / "examples/deployment"
OTHER = "registry.example.org/ml/churn@sha256:" + "e" * 64
MODEL = "oci://registry.example.org/ml/churn-model@sha256:" + "d" * 64


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """A registry with version 1.0.0 in production."""
    folder = tmp_path_factory.mktemp("registered")
    build(folder / "model", 1.0)
    manifest, files = taken(folder / "model", "churn")
    with Registry.open(folder / "registry") as registry:
        stored = registry.register(manifest, files, claim=None, by="ada")
        registry.move("churn", "production", to=stored.version, expect=None, by="ada", why="the first")
    return folder / "registry", stored


@pytest.fixture
def render(tmp_path, registered):
    """Say `plumb deploy` with the example; keywords change its lane."""
    shutil.copytree(registered[0], tmp_path / "build/registry")

    def say(*words: str, code: int = 0, strategy=None, **lane) -> str:
        whole = yaml.safe_load((EXAMPLES / "kubernetes.yml").read_text())
        whole["strategy"] = strategy or whole["strategy"]
        whole["lane"].update(lane)
        (tmp_path / "pipeline.yml").write_text(yaml.safe_dump(whole))
        ran = CliRunner().invoke(main, ["deploy", str(tmp_path / "pipeline.yml"), *words])
        assert ran.exit_code == code, ran.output + repr(ran.exception)
        return ran.output

    return say


def test_the_example_is_rendered_as_its_strategy_says_and_the_same_twice(render, tmp_path, registered):
    told = render("--render", str(tmp_path / "out"))
    assert "9 objects of churn 1.0.0, checked against Kubernetes 1.35 and Argo Rollouts 1.5.0" in told
    text = (tmp_path / "out/argo-canary.yaml").read_text()
    (rollout,) = [one for one in yaml.safe_load_all(text) if one["kind"] == "Rollout"]
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    assert [step["setWeight"] for step in steps if "setWeight" in step] == [5, 25, 50]
    assert rollout["metadata"]["namespace"] == "ml"
    assert registered[1].digest in text
    render("--render", str(tmp_path / "again"), "--ref", "1.0.0")
    assert (tmp_path / "again/argo-canary.yaml").read_text() == text
    assert not (tmp_path / "build/registry/deployments.db").exists()  # nothing was begun


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_written_and_told_for_machines(render, tmp_path, target):
    words = ["--set", f"image={OTHER}", "--set", f"storage_uri={MODEL}", "--set", "replicas=2", "--json"]
    told = json.loads(render("--render", str(tmp_path / "out"), *words, target=target))
    assert (told["target"], told["version"], told["path"]) == (target, "1.0.0", str(tmp_path / f"out/{target}.yaml"))
    objects = list(yaml.safe_load_all(Path(told["path"]).read_text()))
    assert [f"{one['kind']}/{one['metadata']['name']}" for one in objects] == told["objects"]
    assert OTHER in Path(told["path"]).read_text()
    for one in objects:
        if one["apiVersion"] in ("v1", "apps/v1", "policy/v1", "networking.k8s.io/v1"):
            kubernetes_validate.validate(one, "1.35", strict=True)  # a second opinion, of the whole schema


def test_without_a_target_the_strategy_chooses_one_of_argos(render, tmp_path):
    render("--render", str(tmp_path / "out"), target=None)
    render("--render", str(tmp_path / "out"), target=None, strategy={"kind": "blue-green"})
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["argo-bluegreen.yaml", "argo-canary.yaml"]


def test_a_deployment_to_a_cluster_says_in_one_sentence_how_it_is_done(render, tmp_path):
    told = render(code=1)
    assert "plumb deploy pipeline.yml --render DIR --ref VERSION" in told
    assert "kubectl apply -f DIR" in told
    assert not (tmp_path / "build/registry/deployments.db").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--ref", "1.0.0"], 2, "--ref and --set go with --render"),
        (["--render", "out", "--ref", "9.9.9"], 1, "9.9.9"),
        (["--render", "out", "--set", "image=churn:latest"], 1, "has no digest"),
        (["--render", "out", "--set", "imge=x"], 1, "there is no 'imge' here; did you mean 'image'?"),
        (["--render", "out", "--set", "replicas=many"], 1, "'replicas': Input should be a valid integer"),
        (["--render", "out", "--set", "replicas"], 1, "write KEY=VALUE"),
        (["--render", "out", "--set", "replicas=["], 1, "is no value"),
        (["--render", "pipeline.yml/out"], 1, "pipeline.yml/out"),
    ],
)
def test_what_cannot_be_rendered_is_said(render, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    assert said in render(*words, code=code)
    assert not (tmp_path / "out").exists()


def test_an_image_must_be_named_and_only_this_lane_is_rendered(render, tmp_path):
    assert "no image is named: give 'lane.workload.image'" in render("--render", "out", code=1, workload=None)
    (tmp_path / "pipeline.yml").write_text((EXAMPLES / "runtime.yml").read_text())
    ran = CliRunner().invoke(main, ["deploy", str(tmp_path / "pipeline.yml"), "--render", "out", "--ref", "1.0.0"])
    assert "only lane 'kubernetes' is rendered, and this one is 'runtime'" in ran.output
