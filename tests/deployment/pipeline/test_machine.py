"""The ways of a deployment, as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.pipeline.machine import ENDS, UNTOUCHED, Course, Result, State, Step

COURSES = st.builds(Course, st.integers(0, 3), st.booleans(), st.booleans(), rollback=st.booleans())


def walk(course, results):
    state, path = course.start, []
    for result in results:
        if state.ended:
            break
        if result is Result.SAME and state.step is not Step.BUILD:
            continue
        path.append((state, result))
        state = course.after(state, result)
    return state, path


def test_a_deployment_without_harm_takes_every_step_once_and_is_promoted() -> None:
    state, path = walk(Course(2, approval=True), [Result.OK] * 20)
    assert state.step is Step.PROMOTED
    steps = "build test gates approval prepare shift:0 watch:0 shift:1 watch:1 promote settle"
    assert [one.name for one, _ in path] == steps.split()


@given(COURSES, st.lists(st.sampled_from(Result), max_size=40))
def test_whatever_happens_is_a_way_and_good_results_lead_to_an_end(course, results) -> None:
    state, _ = walk(course, [*results, *[Result.OK] * 20])
    assert state.step in ENDS


@given(COURSES, st.lists(st.sampled_from(Result), max_size=40))
def test_nothing_is_promoted_after_a_fail_or_an_inconclusive(course, results) -> None:
    state, path = walk(course, [*results, *[Result.OK] * 20])
    bad = (Result.FAIL, Result.INCONCLUSIVE, Result.ABORTED)
    for one, result in path:
        asked = course.unsure and one.step is Step.GATES and result is Result.INCONCLUSIVE
        if result in bad and one.step is not Step.SETTLE and not asked:
            assert state.step in (Step.REJECTED, Step.ROLLED_BACK)


@given(COURSES, st.lists(st.sampled_from(Result), max_size=40))
def test_what_reached_the_servers_is_undone_and_what_did_not_is_rejected(course, results) -> None:
    state, path = walk(course, [*results, *[Result.OK] * 20])
    touched = any(one.step not in UNTOUCHED for one, _ in path)
    assert (state.step is Step.REJECTED) == (not touched)


@given(COURSES, st.lists(st.sampled_from(Result), max_size=40))
def test_the_journal_alone_says_where_a_deployment_stands(course, results) -> None:
    state, path = walk(course, results)
    assert course.fold((one.name, str(result)) for one, result in path) == state


def test_a_step_that_was_not_due_and_a_way_that_is_none_are_refused() -> None:
    with pytest.raises(InvalidError, match="'promote' where 'build' was due"):
        Course().fold([("promote", "ok")])
    with pytest.raises(InvalidError, match="nothing can be 'ok'"):
        Course().after(State(Step.PROMOTED), Result.OK)
    with pytest.raises(InvalidError, match="same"):
        Course().after(State(Step.TEST), Result.SAME)


def test_gates_that_cannot_tell_go_to_a_person_only_where_that_is_declared() -> None:
    unsure = State(Step.GATES)
    assert Course(approval=True, unsure=True).after(unsure, Result.INCONCLUSIVE).step is Step.APPROVAL
    assert Course(approval=True).after(unsure, Result.INCONCLUSIVE).step is Step.REJECTED
