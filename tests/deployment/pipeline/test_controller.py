"""Deployments from their beginning to each of their ends."""

from __future__ import annotations

import pytest
from deployers import (
    MODEL,
    NEW,
    NEWER,
    OLD,
    Clock,
    Counts,
    Lane,
    Registry,
    Work,
    consistent,
    controller,
    plan,
    serving_old,
)

from plumbline.deployment.core.errors import ConflictError, FencedError, InvalidError, NotFoundError, UnavailableError
from plumbline.deployment.core.lanes import COPY
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline import approvals, recovery
from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.machine import Step
from plumbline.deployment.pipeline.parts import Approval
from plumbline.deployment.pipeline.plan import Plan, Stage

UNSURE = Verdict("performance", Outcome.INCONCLUSIVE, "12 rows are too few")
BAD = Verdict("latency", Outcome.FAIL, "20 ms, at most 10 ms")


@pytest.fixture
def journal(quick_folder):
    journal = Journal(quick_folder / "deployments.db")
    yield journal
    journal.close()


def run(journal, registry, lane, planned=None, **parts):
    return recovery.deploy(journal, planned or plan(), lambda _: controller(journal, registry, lane, **parts))


def last(journal, deployment, step):
    return next(one for one in reversed(journal.entries(deployment.id)) if one.step == step)


def test_a_candidate_without_harm_is_promoted_and_the_old_version_stays_loaded(journal) -> None:
    registry, lane = serving_old()
    deployment, state = run(journal, registry, lane)
    assert state.step is Step.PROMOTED
    consistent(registry, lane, "promoted")
    assert lane.ready == {OLD.digest, NEW.digest}
    assert journal.get(deployment.id).ended == "promoted"
    assert registry.holder == ""


def test_every_effect_has_an_intent_before_and_an_end_after_it_with_the_epoch(journal) -> None:
    deployment, _ = run(journal, *serving_old())
    lines = [one for one in journal.entries(deployment.id) if one.kind != "note"]
    open_step = None
    for one in lines:
        if one.kind == "intent":
            assert open_step in (None, one.step)
            open_step = one.step
        else:
            assert one.step == open_step
            open_step = None
        assert one.epoch == 1
    assert [one.seq for one in journal.entries(deployment.id)] == list(
        range(1, len(journal.entries(deployment.id)) + 1)
    )


def test_while_it_is_watched_a_fresh_copy_of_the_old_version_has_the_same_share(journal) -> None:
    registry, lane = serving_old()
    counts = Counts()
    deployment, _ = run(journal, registry, lane, plan(stages=(Stage(0.1, 1, 9), Stage(0.5, 1, 9))), source=counts)
    first, second = (last(journal, deployment, f"shift:{n}").data["shares"] for n in (0, 1))
    assert first == {OLD.digest: 0.8, NEW.digest: 0.1, OLD.digest + COPY: 0.1}
    assert second == {NEW.digest: 0.5, OLD.digest + COPY: 0.5}
    assert counts.names == {NEW.digest, OLD.digest + COPY}


def test_a_lane_without_copies_compares_with_the_version_that_serves_and_says_so(journal) -> None:
    registry, lane = serving_old()
    lane.copies = False
    deployment, state = run(journal, registry, lane, plan(stages=(Stage(0.1, 1, 9),)))
    assert state.step is Step.PROMOTED
    assert last(journal, deployment, "shift:0").data["shares"] == {OLD.digest: 0.9, NEW.digest: 0.1}
    assert "holds no second copy" in last(journal, deployment, "prepare").data["sentence"]


def test_harm_rolls_back_at_once_and_says_what_was_seen(journal) -> None:
    registry, lane = serving_old()
    clock = Clock()
    deployment, state = run(journal, registry, lane, source=Counts(errors=50), clock=clock)
    assert state.step is Step.ROLLED_BACK
    consistent(registry, lane, "rolled-back")
    assert NEW.digest not in lane.ready
    assert "answered with an error: 50 of 500 (10.00%)" in last(journal, deployment, "watch:0").data["sentence"]
    assert clock.now < 1_002  # the stage would have lasted longer


def test_without_traffic_nothing_is_promoted(journal) -> None:
    registry, lane = serving_old()
    clock = Clock()
    deployment, state = run(journal, registry, lane, source=Counts(per_look=0), clock=clock)
    assert state.step is Step.ROLLED_BACK
    assert clock.now >= 1_020  # its patience
    assert "no traffic is not health" in last(journal, deployment, "watch:0").data["sentence"]
    consistent(registry, lane, "rolled-back")


def test_with_nobody_who_counts_nothing_is_promoted(journal) -> None:
    deployment, state = run(journal, *serving_old(), source=None)
    assert state.step is Step.ROLLED_BACK
    assert last(journal, deployment, "watch:0").data["result"] == "inconclusive"


def test_metrics_that_cannot_be_read_for_a_while_are_waited_for(journal) -> None:
    counts = Counts()

    def listen(moment):
        if (moment.what, moment.when) == ("shift:0", "ended"):
            counts.broken = 0
        if moment.when == "told" and moment.what == "watch:0" and counts.looks == 2:
            counts.broken = 3

    assert run(journal, *serving_old(), source=counts, listen=listen)[1].step is Step.PROMOTED


def test_the_first_version_has_nothing_to_be_compared_with_and_serves(journal) -> None:
    registry, lane = Registry(), Lane()
    deployment, state = run(journal, registry, lane)
    assert state.step is Step.PROMOTED
    consistent(registry, lane, "promoted")
    assert not [one for one in journal.entries(deployment.id) if one.step.startswith("watch")]


def test_a_version_that_serves_already_is_not_judged_again(journal) -> None:
    registry, lane = serving_old()
    _, state = run(journal, registry, lane, work=Work(OLD, verdicts=(BAD,)))
    assert state.step is Step.PROMOTED
    consistent(registry, lane, "rolled-back")
    assert registry.moves == []


@pytest.mark.parametrize("verdict", [UNSURE, BAD])
def test_gates_that_do_not_pass_reject_and_no_server_hears_of_it(journal, verdict) -> None:
    registry, lane = serving_old()
    deployment, state = run(journal, registry, lane, work=Work(verdicts=(*Work().verdicts, verdict)))
    assert state.step is Step.REJECTED
    assert (lane.epoch, lane.ready) == (0, {OLD.digest})
    assert verdict.sentence in last(journal, deployment, "gates").data["sentence"]


def test_gates_that_say_nothing_are_no_pass_and_tests_that_fail_reject(journal) -> None:
    assert run(journal, *serving_old(), work=Work(verdicts=()))[1].step is Step.REJECTED
    assert run(journal, *serving_old(), work=Work(tested=(BAD,)))[1].step is Step.REJECTED


def test_a_build_that_fails_rejects_with_its_sentence(journal) -> None:
    class Broken(Work):
        def build(self):
            raise InvalidError("train.py: exit code 1")

    deployment, state = run(journal, *serving_old(), work=Broken())
    assert state.step is Step.REJECTED
    assert last(journal, deployment, "build").data["sentence"] == "train.py: exit code 1"


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


def waits(journal, registry, lane, declared, **parts):
    deployment, state = run(journal, registry, lane, declared, **parts)
    assert state.step is Step.APPROVAL
    assert registry.holder == ""  # others may deploy meanwhile
    return deployment


def again(journal, registry, lane, **parts):
    return recovery.resume(journal, MODEL, lambda _: controller(journal, registry, lane, **parts))[0][1].step


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


@pytest.mark.parametrize(("verb", "times"), [("prepare", 1), ("share", 1), ("share", 2)])
def test_a_lane_that_fails_leaves_the_old_version_serving(journal, verb, times) -> None:
    registry, lane = serving_old()
    lane.broken[verb] = times
    try:
        _, state = run(journal, registry, lane)
    except UnavailableError:  # the way back was blocked, too: later
        assert again(journal, registry, lane) is Step.ROLLED_BACK
    else:
        assert state.step is Step.ROLLED_BACK
    consistent(registry, lane, "rolled-back")


def test_a_promotion_that_the_servers_do_not_follow_moves_the_pointer_back(journal) -> None:
    registry, lane = serving_old()

    def listen(moment):
        if (moment.what, moment.when) == ("promote:alias", "after"):
            lane.broken["share"] = 1

    _, state = run(journal, registry, lane, listen=listen)
    assert state.step is Step.ROLLED_BACK
    consistent(registry, lane, "rolled-back")
    assert [one[:2] for one in registry.moves] == [["1.0.0", "1.1.0"], ["1.1.0", "1.0.0"]]


def test_a_first_promotion_that_the_servers_do_not_follow_goes_on_later(journal) -> None:
    registry, lane = Registry(), Lane(broken={"share": 1})
    with pytest.raises(UnavailableError):
        run(journal, registry, lane)
    assert again(journal, registry, lane) is Step.PROMOTED
    consistent(registry, lane, "promoted")


def test_what_cannot_be_tidied_up_is_said_and_changes_no_end(journal) -> None:
    registry, lane = serving_old()
    lane.broken["retire"] = 1
    deployment, state = run(journal, registry, lane)
    assert state.step is Step.PROMOTED
    assert "not tidied up" in last(journal, deployment, "settle").data["sentence"]


def test_a_deployer_that_was_replaced_stops_without_touching_anything(journal) -> None:
    registry, lane = serving_old()

    def listen(moment):
        if (moment.what, moment.when) == ("shift:0", "before"):
            lane.epoch = 7

    with pytest.raises(FencedError):
        run(journal, registry, lane, listen=listen)
    assert lane.shares == {OLD.digest: 1.0}
    assert registry.pointers == {"production": "1.0.0"}


def test_while_another_holds_the_lease_a_new_deployment_is_rejected(journal) -> None:
    registry, lane = serving_old()
    registry.holder = "churn-9@elsewhere"
    with pytest.raises(ConflictError, match="churn-9@elsewhere"):
        run(journal, registry, lane)
    assert journal.deployments(MODEL)[0].ended == "rejected"


def test_a_deployment_that_is_asked_to_stop_undoes_what_it_did(journal) -> None:
    registry, lane = serving_old()

    def listen(moment):
        if moment.what == "watch:0" and moment.when == "told":
            approvals.stop(journal, journal.deployments()[0].id, by="eve", why="pager", now=0)

    deployment, state = run(journal, registry, lane, listen=listen)
    assert state.step is Step.ROLLED_BACK
    assert last(journal, deployment, "watch:0").data["sentence"] == "stopped by eve: pager"
    consistent(registry, lane, "rolled-back")


def rollback(journal, registry, lane, to="1.0.0", **parts):
    wanted = Plan(MODEL, "eve", "baskets are abandoned", kind="rollback", to=to)
    return recovery.roll_back(journal, registry, wanted, lambda _: controller(journal, registry, lane, **parts))


def test_a_rollback_moves_the_pointer_and_the_servers_follow(journal) -> None:
    registry, lane = serving_old()
    run(journal, registry, lane)
    deployment, state = rollback(journal, registry, lane)
    assert state.step is Step.PROMOTED
    consistent(registry, lane, "rolled-back")
    steps = [one.step for one in journal.entries(deployment.id) if one.kind == "done"]
    assert steps == ["prepare", "promote", "settle"]
    assert registry.moves[-1] == ["1.1.0", "1.0.0", "eve", "baskets are abandoned"]


def test_a_rollback_to_what_is_not_there_changes_nothing(journal) -> None:
    registry, lane = serving_old()
    with pytest.raises(NotFoundError):
        rollback(journal, registry, lane, to="9.9.9")
    consistent(registry, lane, "rolled-back")
    assert journal.deployments() == []


def test_a_rollback_first_undoes_a_deployment_that_nobody_runs_any_more(journal) -> None:
    registry, lane = serving_old()
    declared = plan(approval=Approval("always"))
    waiting = waits(journal, registry, lane, declared)
    rollback(journal, registry, lane)
    assert journal.get(waiting.id).ended == "rejected"
