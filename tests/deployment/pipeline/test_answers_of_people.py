"""What people answer: overrides, approvals, a no; who may, and how long it holds."""

from __future__ import annotations

import pytest
from deployers import (
    BAD,
    NEWER,
    UNSURE,
    Clock,
    Counts,
    Work,
    again,
    consistent,
    last,
    plan,
    run,
    serving_old,
    waits,
)

from plumbline.deployment.core.errors import ConflictError, InvalidError
from plumbline.deployment.pipeline import approvals
from plumbline.deployment.pipeline.machine import Step
from plumbline.deployment.pipeline.parts import Approval


def test_an_override_is_recorded_as_one_and_holds_for_that_candidate_until_it_expires(journal) -> None:
    registry, lane = serving_old()
    work = Work(verdicts=(*Work().verdicts, BAD))
    declared = plan(approval=Approval(override=("eve",)))
    first, _ = run(journal, registry, lane, declared, work=work)
    approvals.override(journal, first.id, "latency", by="eve", why="Friday's load", now=1_000, valid_s=100)
    second, state = run(journal, registry, lane, declared, work=work)
    gates = last(journal, second, "gates").data
    assert (state.step, gates["result"]) == (Step.PROMOTED, "overridden")
    assert gates["overridden"]["latency"]["why"] == "Friday's load"
    assert gates["verdicts"][1]["outcome"] == "fail"  # the verdict stays what it was
    late = Clock(1_200.0)
    assert run(journal, *serving_old(), declared, work=work, clock=late)[1].step is Step.REJECTED


def test_an_inconclusive_watch_can_be_answered_for_but_harm_cannot(journal) -> None:
    declared = plan(approval=Approval(override=("eve",)))
    first, _ = run(journal, *serving_old(), declared, source=Counts(per_look=0))
    approvals.override(journal, first.id, "watch", by="eve", why="nobody calls at night", now=1_000)
    second, state = run(journal, *serving_old(), declared, source=Counts(per_look=0))
    assert (state.step, last(journal, second, "watch:0").data["result"]) == (Step.PROMOTED, "overridden")
    _, state = run(journal, *serving_old(), declared, source=Counts(errors=50))
    assert state.step is Step.ROLLED_BACK


def test_who_may_not_override_or_approve_or_gives_no_reason_is_refused(journal) -> None:
    deployment, _ = run(journal, *serving_old(), plan(approval=Approval(override=("eve",))))
    with pytest.raises(InvalidError, match="'bob' may not override"):
        approvals.override(journal, deployment.id, "latency", by="bob", why="x", now=0)
    with pytest.raises(InvalidError, match="needs a name and a reason"):
        approvals.override(journal, deployment.id, "latency", by="eve", why=" ", now=0)
    with pytest.raises(InvalidError, match="above 0"):
        approvals.override(journal, deployment.id, "latency", by="eve", why="x", now=0, valid_s=0)
    with pytest.raises(ConflictError, match="is over"):
        approvals.approve(journal, deployment.id, by="eve", why="x", now=0)
    nobody = journal.begin(plan(approval=Approval(by=("eve",))))
    with pytest.raises(InvalidError, match="may not approve"):
        approvals.approve(journal, nobody.id, by="bob", why="x", now=0)
    with pytest.raises(InvalidError, match="names nobody"):
        approvals.override(journal, nobody.id, "latency", by="bob", why="x", now=0)


def test_it_waits_for_a_person_and_goes_on_when_one_agrees(journal) -> None:
    registry, lane = serving_old()
    deployment = waits(journal, registry, lane, plan(approval=Approval("always", by=("eve",))))
    assert again(journal, registry, lane) is Step.APPROVAL
    with pytest.raises(ConflictError, match="waits for a person"):
        run(journal, registry, lane)
    approvals.approve(journal, deployment.id, by="eve", why="looked at it", now=1_000)
    assert again(journal, registry, lane) is Step.PROMOTED
    assert last(journal, deployment, "approval").data["approval"]["by"] == "eve"
    consistent(registry, lane, "promoted")


def test_a_no_an_old_yes_and_nobody_at_all_reject_or_wait(journal) -> None:
    registry, lane = serving_old()
    declared = plan(approval=Approval("always", valid_s=50))
    deployment = waits(journal, registry, lane, declared)
    approvals.refuse(journal, deployment.id, by="eve", why="not today", now=1_000)
    assert again(journal, registry, lane) is Step.REJECTED
    deployment = waits(journal, registry, lane, declared)
    approvals.approve(journal, deployment.id, by="eve", why="x", now=900, valid_s=10)
    assert again(journal, registry, lane) is Step.APPROVAL
    began = journal.entries(deployment.id)[-1].at
    assert again(journal, registry, lane, clock=Clock(began + 60)) is Step.REJECTED


def test_approval_is_asked_for_when_it_is_declared_only(journal) -> None:
    unsure = plan(approval=Approval("inconclusive"))
    deployment = waits(journal, *serving_old(), unsure, work=Work(verdicts=(UNSURE,)))
    approvals.approve(journal, deployment.id, by="eve", why="it is enough", now=1_000)
    registry, lane = serving_old()
    assert again(journal, registry, lane, work=Work(verdicts=(UNSURE,))) is Step.PROMOTED
    assert last(journal, deployment, "approval").data["result"] == "overridden"
    assert run(journal, *serving_old(), unsure)[1].step is Step.PROMOTED
    major = plan(approval=Approval("major"))
    assert run(journal, *serving_old(), major)[1].step is Step.PROMOTED
    waits(journal, *serving_old(), major, work=Work(NEWER))


def test_an_alias_that_moved_while_a_person_thought_voids_the_judgement(journal) -> None:
    registry, lane = serving_old()
    deployment = waits(journal, registry, lane, plan(approval=Approval("always")))
    lane.prepare("sha256:" + "c" * 64, epoch=9)
    registry.pointers["production"], registry.epoch = "2.0.0", 9
    approvals.approve(journal, deployment.id, by="eve", why="x", now=1_000)
    assert again(journal, registry, lane) is Step.ROLLED_BACK
    assert "pointed at 1.0.0 when judged, at 2.0.0 now" in last(journal, deployment, "prepare").data["sentence"]
    assert lane.shares == {"sha256:" + "c" * 64: 1.0}  # the servers agree with the alias
