"""Deployments from their beginning to each of their ends."""

from __future__ import annotations

import pytest
from deployers import (
    BAD,
    MODEL,
    NEW,
    OLD,
    UNSURE,
    Clock,
    Counts,
    Lane,
    Registry,
    Work,
    again,
    consistent,
    controller,
    last,
    plan,
    run,
    serving_old,
    waits,
)

from plumbline.deployment.core.errors import ConflictError, FencedError, InvalidError, NotFoundError, UnavailableError
from plumbline.deployment.core.lanes import COPY
from plumbline.deployment.pipeline import approvals, recovery
from plumbline.deployment.pipeline.machine import Step
from plumbline.deployment.pipeline.parts import Approval
from plumbline.deployment.pipeline.plan import Plan, Stage


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
