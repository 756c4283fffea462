"""The example is run as its pipeline says: data, training with scikit-learn, test, gates, rehearsal on a server."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from plumbline.deployment.core.encoding import identity
from plumbline.deployment.core.errors import CorruptError, InvalidError, NotFoundError
from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.models import load as load_model
from plumbline.deployment.pipeline.candidate import taken
from plumbline.deployment.pipeline.commands import run_all
from plumbline.deployment.pipeline.declaration import load
from plumbline.deployment.pipeline.gates.running import run_gates
from plumbline.deployment.pipeline.rehearsal import Rehearsal
from plumbline.deployment.pipeline.rows import evaluation, recent
from plumbline.deployment.pipeline.twin import staging

EXAMPLE = Path(__file__).parents[3] / "examples/deployment"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """The example, built and tested."""
    folder = tmp_path_factory.mktemp("example") / "deployment"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "data", "__pycache__"))
    pipeline = load(folder / "pipeline.yml")
    run_all((*pipeline.build, *pipeline.test), pipeline.folder, folder / "build.log")
    return pipeline


@pytest.fixture(scope="module")
def sides(pipeline, tmp_path_factory):
    """Two versions of the same training: what serves, and what wants to."""
    folder = pipeline.file(pipeline.model.folder)
    manifest, _ = taken(folder, "churn")
    older = replace(manifest, card="the version before")
    made = [
        Side(version, one, folder, load_model(folder, one, digest=identity(one), threads=1))
        for version, one in (("1.0.1", manifest), ("1.0.0", older))
    ]
    yield made
    for side in made:
        side.model.close()


def test_all_gates_of_the_example_pass_on_a_first_deployment_and_on_the_next(pipeline, sides):
    candidate, production = sides
    signature = candidate.manifest.signature
    situation = Situation(
        candidate,
        None,
        evaluation(pipeline.file(pipeline.evaluation.file), pipeline.evaluation, signature),
        recent(pipeline.file(pipeline.recent.file), pipeline.recent, signature),
    )
    gates = {"rehearsal": Rehearsal(staging)}
    noisy = {"latency", "latency/p50", "latency/p99", "latency/at_most"}  # this machine may be busy
    for current in (situation, replace(situation, production=production)):
        verdicts = run_gates(current, pipeline.gates, gates=gates)
        not_passed = {one.gate: one.sentence for one in verdicts if one.outcome is not Outcome.PASS}
        assert set(not_passed) <= noisy, not_passed
        assert {use.gate for use in pipeline.gates} == {one.gate.split("/")[0] for one in verdicts}


def test_a_candidate_folder_is_checked_before_it_is_taken(pipeline, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(pipeline.file(pipeline.model.folder), folder)
    manifest, files = taken(folder, "churn")
    assert set(files) == {file.path for file in manifest.files} == {"model.onnx", "parity.npz"}
    with pytest.raises(InvalidError, match="is of model 'churn', but the pipeline deploys 'fraud'"):
        taken(folder, "fraud")
    (folder / "parity.npz").write_bytes(b"")
    with pytest.raises(CorruptError, match=r"parity.npz"):
        taken(folder, "churn")
    with pytest.raises(NotFoundError, match="the build leaves it there"):
        taken(tmp_path, "churn")
