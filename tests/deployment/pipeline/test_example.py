"""The example is run as its pipeline says: data, training with scikit-learn, test, gates, rehearsal on a server."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plumbline.deployment.core.errors import CorruptError, InvalidError, NotFoundError
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.candidate import taken
from plumbline.deployment.pipeline.declaration import load
from plumbline.deployment.pipeline.parts import Candidate, Step
from plumbline.deployment.pipeline.ports import Built
from plumbline.deployment.pipeline.twin import RequestError, staging
from plumbline.deployment.pipeline.work import PipelineWork
from plumbline.deployment.registry.store import Registry

EXAMPLE = Path(__file__).parents[3] / "examples/deployment"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """The example in a folder of its own."""
    folder = tmp_path_factory.mktemp("example") / "deployment"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "data", "__pycache__"))
    return load(folder / "pipeline.yml")


@pytest.fixture(scope="module")
def work(pipeline):
    """Its work, on a registry of its own."""
    with Registry.open(str(pipeline.file(pipeline.registry))) as registry:
        yield PipelineWork(pipeline, registry, "ada", pipeline.folder / "cache", pipeline.folder / "build.log")


@pytest.fixture(scope="module")
def built(work):
    """The candidate of a first build."""
    return work.build()


NOISY = {"latency", "latency/p50", "latency/p99", "latency/at_most"}
"""This machine may be busy."""


def held_back(verdicts):
    return {one.gate: one.sentence for one in verdicts if not one.passed and one.gate not in NOISY}


def test_the_example_is_built_registered_and_tested(work, built):
    assert built.version == "1.0.0"
    (tested,) = work.test(built)
    assert tested.passed
    assert tested.sentence.startswith("a loyal customer leaves with 0.0")


def test_its_gates_pass_on_a_first_deployment_and_on_the_next(pipeline, work, built):
    names = {use.gate for use in pipeline.gates}
    first = list(work.gates(built, None))
    assert held_back(first) == {}
    assert {one.gate.split("/")[0] for one in first} == names
    manifest, files = taken(pipeline.file(pipeline.model.folder), "churn")
    again = work.registry.register(replace(manifest, card="trained once more"), files, by="ada")
    following = list(work.gates(Built(again.version, again.digest), built))
    assert held_back(following) == {}
    assert "there in" in next(one.sentence for one in following if one.gate == "rehearsal")


def test_a_pipeline_may_name_a_version_instead_of_building_one(pipeline, work, built):
    named = replace(pipeline, build=(), model=Candidate("churn", ref="1.0.0"))
    assert replace(work, pipeline=named).build() == built


def test_a_test_that_fails_is_a_verdict_and_the_next_one_is_still_run(pipeline, work, built):
    code = "import os; print(sorted(os.listdir(os.environ['PLUMBLINE_CANDIDATE'])))"
    steps = (Step("python -c 'raise SystemExit(3)'"), Step(("python", "-c", code)))
    failed, listed = replace(work, pipeline=replace(pipeline, test=steps)).test(built)
    assert failed.outcome is Outcome.FAIL
    assert "model.onnx" in listed.sentence
    assert list(replace(work, pipeline=replace(pipeline, test=())).test(built)) == []


def test_the_server_of_the_twin_tells_what_it_cannot_answer(work, built):
    with ExitStack() as stack:
        situation = work._situation(built, None, stack)
        twin = stack.enter_context(staging(situation))
        with pytest.raises(RequestError, match="the twin answered 503"):
            twin.ask({"tickets": np.zeros(1)})
        with pytest.raises(RequestError, match="never prepared"):
            twin._who("1.0.0+ffffffffffff")


def test_a_candidate_folder_is_checked_before_it_is_taken(pipeline, built, tmp_path):
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
