"""Every guide of the catalogue is proven: its fault is felt, told, found, and mended by its own steps."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plumbline.catalogue import Catalogue, locate
from plumbline.diagnosis.runner import Runner
from plumbline.lab.needs import required
from plumbline.lab.proof import phases
from plumbline.lab.proof.campaign import Campaign
from plumbline.lab.proof.course import Course, PhaseError
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.prove import Prover, search
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.witness import Witness
from plumbline.lab.running import running

CATALOGUE = locate(Path(__file__).parents[2])
pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(CATALOGUE) as started:
        yield started


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labs are noted in a folder of their own; guides are found in the index that `make test` has built."""
    built = CATALOGUE.root / ".plumbline/index"
    assert built.is_dir(), "the search index is not built: plumb index"
    (tmp_path / "index").symlink_to(built)
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path))


def provable_here(name: str) -> None:
    """Skip what is broken with Linux's own means elsewhere; on Linux a proof that cannot run is red."""
    fault = Campaign(CATALOGUE, [name]).subject(name).fault()
    if sys.platform != "linux" and required(fault) & {"linux", "netns", "cgroup"}:
        pytest.skip(f"{name} is broken with means of Linux; this is {sys.platform}")


@pytest.mark.parametrize("name", [str(name) for name, _ in Catalogue(CATALOGUE.root).guides()])
def test_the_guide_is_proven(name: str, runner: Runner) -> None:
    provable_here(name)
    campaign = Campaign(CATALOGUE, [name])
    prover = Prover(CATALOGUE, runner, find=search())
    (verdict,) = campaign.run(prover, keep=False, keep_going=False, begin=lambda _: None)
    assert verdict.course.proven, verdict.course.failed


def single_steps() -> list[tuple[str, str]]:
    """Return (guide, step) for every step of every fix that has several."""
    campaign = Campaign(CATALOGUE, [])
    found = []
    for name in campaign.ids:
        fixes = campaign.subject(name).fixes
        found += [(name, step.id) for step in fixes if len(fixes) > 1]
    return found


@pytest.mark.parametrize(("name", "left_out"), single_steps())
def test_the_fix_does_not_work_without_this_step(name: str, left_out: str, runner: Runner) -> None:
    provable_here(name)
    subject = Campaign(CATALOGUE, [name]).subject(name)
    fault = subject.fault()
    with running(fault.topology, purpose="prove", problem=name) as lab:
        witness = Witness(runner, subject.linked, lambda: lab.endpoint)
        stage = Stage(subject, lab, fault, witness, Patience(stretch=1.0))
        phases.served(stage)
        baseline = stage.service()
        phases.inject(stage, Course(name))
        phases.told(stage)
        for step in subject.fixes:
            if step.id != left_out:
                phases.apply(stage, step)
        lab.mark()

        def served() -> bool:
            return not stage.felt().hurts and not stage.unserved(baseline)

        with pytest.raises(PhaseError, match="comes to no rest"):
            stage.settle(subject.problem.proof.recover_within_s, hold_s=1.5, served=served, red_ends=False)
