"""Of a fix with several steps each one is needed, those excepted that say they are extra: it works without them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from _pytest.mark.structures import ParameterSet  # pytest's public name for it is not exported

from plumbline.diagnosis.runner import Runner
from plumbline.lab.proof import phases, record
from plumbline.lab.proof.course import Course, PhaseError
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.subject import SubjectError
from plumbline.lab.proof.witness import Sample, Witness
from plumbline.lab.running import running
from plumbline.lab.service import Service

from .conftest import CAMPAIGN, CATALOGUE, marks, provable_here

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]
HOLD_S = 1.5


def needed() -> list[ParameterSet]:
    """Return (guide, step) for every step that a fix of several must have."""
    found = []
    for name in CAMPAIGN.ids:
        with suppress(SubjectError):
            fixes = CAMPAIGN.subject(name).fixes
            one_by_one = [step.id for step in fixes if not step.extra] if len(fixes) > 1 else []
            found += [pytest.param(name, step, marks=marks(name)) for step in one_by_one]
    return found


def with_extras() -> list[ParameterSet]:
    """Return the guides that have steps which are said to heal nothing by themselves."""
    found = []
    for name in CAMPAIGN.ids:
        with suppress(SubjectError):
            if any(step.extra for step in CAMPAIGN.subject(name).fixes):
                found.append(pytest.param(name, marks=marks(name)))
    return found


def fix_took_s(name: str) -> float | None:
    """How long the whole fix took to turn the diagnostic green when it was recorded, in seconds."""
    took_s: float | None = (record.read(record.path_of(CATALOGUE, name)) or {}).get("time_to_green_s")
    return took_s


def in_vain_s(name: str) -> float:
    """How long half a fix is watched, in seconds: three times as long as the whole one took when it was recorded."""
    promised, took_s = CAMPAIGN.subject(name).problem.proof.recover_within_s, fix_took_s(name)
    return promised if took_s is None else min(promised, max(5.0, 3 * took_s))


@contextmanager
def broken(name: str, runner: Runner) -> Iterator[tuple[Stage, Service]]:
    """Yield a lab that was broken, with the diagnostic red, and how its workload was served before."""
    subject = CAMPAIGN.subject(name)
    fault = subject.fault()
    with running(fault.topology, purpose="prove", problem=name, isolated=True) as lab:
        witness = Witness(runner, subject.linked, lambda: lab.endpoint)
        stage = Stage(subject, lab, fault, witness, Patience())
        phases.served(stage)
        before = stage.service()
        phases.inject(stage, Course(name))
        phases.told(stage)
        yield stage, before


def settle(stage: Stage, before: Service, limit_s: float) -> tuple[bool, list[Sample]]:
    """Watch until it is ok, lastingly, and the workload is served as it was before."""
    stage.lab.mark()

    def served() -> bool:
        return not stage.felt().hurts and not stage.unserved(before)

    return stage.settle(limit_s, hold_s=HOLD_S, served=served, red_ends=False)


@pytest.mark.parametrize(("name", "left_out"), needed())
def test_the_fix_does_not_work_without_this_step(name: str, left_out: str, runner: Runner) -> None:
    provable_here(name)
    with broken(name, runner) as (stage, before):
        first = list(itertools.takewhile(lambda step: step.id != left_out, stage.subject.fixes))
        for step in first:
            phases.apply(stage, step)
        for step in stage.subject.fixes[len(first) + 1 :]:
            # A later step may fail, or wait for ever, for lack of this one. What decides is that nothing has healed.
            with suppress(PhaseError):
                phases.apply(stage, step, limit_s=max(10.0, in_vain_s(name)))
        with pytest.raises(PhaseError, match="comes to no rest"):
            settle(stage, before, in_vain_s(name))


@pytest.mark.parametrize("name", with_extras())
def test_the_fix_works_without_the_steps_that_are_said_to_be_extra(name: str, runner: Runner) -> None:
    provable_here(name)
    with broken(name, runner) as (stage, before):
        for step in stage.subject.fixes:
            if not step.extra:
                phases.apply(stage, step)
        limit_s = stage.subject.problem.proof.recover_within_s * stage.patience.stretch
        still_red, samples = settle(stage, before, limit_s)
        assert not still_red
        assert all(sample.green for sample in samples)
