"""Every guide of the catalogue is proven: its fault is felt, told, found, and mended by its own steps."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet  # pytest's public name for it is not exported

from plumbline.catalogue import locate
from plumbline.diagnosis.runner import Runner
from plumbline.lab.fault import MACHINE
from plumbline.lab.needs import required
from plumbline.lab.proof import phases, record
from plumbline.lab.proof.campaign import Campaign
from plumbline.lab.proof.course import Course, PhaseError
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.prove import Prover, search
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.subject import SubjectError
from plumbline.lab.proof.witness import Witness
from plumbline.lab.running import running

CATALOGUE = locate(Path(__file__).parents[2])
CAMPAIGN = Campaign(CATALOGUE, [])
pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """One warm worker for all proofs of a session; most diagnostics wait, so there are more than cores."""
    with Runner(CATALOGUE, jobs=16) as started:
        yield started


def marks(name: str) -> list[pytest.MarkDecorator]:
    """Proofs that need the machine run alone: `deploy/test.sh` runs those that are marked so after all others."""
    try:
        needed = CAMPAIGN.subject(name).fault.needs
    except SubjectError:  # the test itself says what is wrong
        return []
    return [pytest.mark.alone] if MACHINE in needed else []


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labs are noted in a folder of their own; guides are found in the index that `make test` has built."""
    built = CATALOGUE.root / ".plumbline/index"
    assert built.is_dir(), "the search index is not built: plumb index"
    (tmp_path / "index").symlink_to(built)
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path))


def provable_here(name: str) -> None:
    """Skip what is broken with Linux's own means elsewhere; on Linux a proof that cannot run is red."""
    fault = CAMPAIGN.subject(name).fault()
    if sys.platform != "linux" and required(fault) & {"linux", "netns", "cgroup"}:
        pytest.skip(f"{name} is broken with means of Linux; this is {sys.platform}")


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in CAMPAIGN.ids])
def test_the_guide_is_proven(name: str, runner: Runner) -> None:
    provable_here(name)
    campaign = Campaign(CATALOGUE, [name])
    prover = Prover(CATALOGUE, runner, find=search())
    (verdict,) = campaign.run(prover, keep=False, keep_going=False, begin=lambda _: None)
    assert verdict.course.proven, verdict.course.failed


def single_steps() -> list[ParameterSet]:
    """Return (guide, step) for every step of every fix that has several."""
    found = []
    for name in CAMPAIGN.ids:
        with suppress(SubjectError):
            fixes = CAMPAIGN.subject(name).fixes
            found += [pytest.param(name, step.id, marks=marks(name)) for step in fixes if len(fixes) > 1]
    return found


def in_vain_s(name: str) -> float:
    """How long half a fix is watched, in seconds: three times as long as the whole one took when it was recorded."""
    promised = CAMPAIGN.subject(name).problem.proof.recover_within_s
    recorded = (record.read(record.path_of(CATALOGUE, name)) or {}).get("time_to_green_s")
    return promised if recorded is None else min(promised, max(5.0, 3 * recorded))


@pytest.mark.parametrize(("name", "left_out"), single_steps())
def test_the_fix_does_not_work_without_this_step(name: str, left_out: str, runner: Runner) -> None:
    provable_here(name)
    subject = CAMPAIGN.subject(name)
    fault = subject.fault()
    with running(fault.topology, purpose="prove", problem=name, isolated=True) as lab:
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
            stage.settle(in_vain_s(name), hold_s=1.5, served=served, red_ends=False)
