"""Training starts when the world has changed, not when a signal trembles, and never to cover up a bug."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.retraining.decide import Act, State, decide
from plumbline.deployment.retraining.rules import Observation, Rule, Rules

DAY = 86_400.0
DRIFT = Rule("drift", "drift", "psi", "above", 0.2, 0.1)
RULES = Rules("churn", (DRIFT,), cool_down_s=DAY, new_labels=100, budget_runs=3, budget_s=7 * DAY)


def seen(at: float, psi: float | None = None, labels: int = 1_000, bugs: tuple[str, ...] = ()) -> Observation:
    return Observation(at, {} if psi is None else {"psi": psi}, labels, 0.0, bugs)


def test_a_rule_that_holds_starts_a_training_and_says_why() -> None:
    state, decision = decide(RULES, State(), seen(10, 0.3))
    assert decision.act is Act.TRAIN
    assert decision.rules == ("drift",)
    assert "psi is 0.3 (above 0.2)" in decision.sentence
    assert state.started == (10,)


@given(st.lists(st.floats(0.11, 0.5), min_size=5, max_size=80))
def test_a_signal_that_trembles_around_the_limit_starts_no_more_than_the_cool_down_allows(values: list[float]) -> None:
    state, starts = State(), 0
    for number, psi in enumerate(values):
        state, decision = decide(RULES, state, seen(number * 600.0, psi))
        starts += decision.act is Act.TRAIN
    hours = len(values) / 6
    assert starts <= 1 + hours // 24


def test_a_rule_ends_only_on_the_calm_side() -> None:
    rules = replace(RULES, rules=(replace(DRIFT, hold_s=100),))
    state, _ = decide(rules, State(), seen(0, 0.3))
    state, _ = decide(rules, state, seen(50, 0.15))  # below `enter`, above `leave`: still the same event
    _, decision = decide(rules, state, seen(100, 0.15))
    assert decision.act is Act.TRAIN
    state, _ = decide(rules, state, seen(60, 0.05))
    assert state.since == {}


def test_what_looks_like_a_bug_is_investigated_not_trained_on() -> None:
    bug = "'age' is missing in 40 % of the requests, 0.1 % in training"
    _, decision = decide(RULES, State(), seen(10, 0.9, bugs=(bug,)))
    assert decision.act is Act.INVESTIGATE
    assert bug in decision.sentence


def test_while_it_is_not_known_whether_something_is_broken_nothing_is_trained() -> None:
    _, decision = decide(RULES, State(), replace(seen(10, 0.9), unknown=("error_share",)))
    assert decision.act is Act.WAIT
    assert "error_share was not measured, and tells a fault from a change" in decision.sentence
    assert decide(RULES, State(), replace(seen(10, 0.0), unknown=("error_share",)))[1].act is Act.REST


def test_a_measure_that_is_no_number_is_none() -> None:
    rules = replace(RULES, rules=(replace(DRIFT, hold_s=100),))
    state, _ = decide(rules, State(), seen(1, 0.3))
    state, decision = decide(rules, state, seen(50, float("nan")))
    assert state.since == {"drift": 1}
    assert "not measured now" in decision.sentence


def test_a_budget_that_was_lowered_waits_until_it_has_room() -> None:
    state = State(started=(0.0, DAY, 2 * DAY, 3 * DAY))
    _, decision = decide(RULES, state, seen(4.5 * DAY, 0.9))
    assert "the next in 4 d" in decision.sentence  # with the second of them out of the window: day 8


def test_too_few_new_labels_would_give_the_same_model() -> None:
    _, decision = decide(RULES, State(), seen(10, 0.9, labels=99))
    assert decision.act is Act.WAIT
    assert "only 99 of 100 new labels" in decision.sentence


def test_the_budget_holds_even_when_the_cool_down_is_over() -> None:
    state = State()
    acts = []
    for day in range(9):
        state, decision = decide(RULES, state, seen(day * DAY, 0.9))
        acts.append(decision.act)
    assert acts.count(Act.TRAIN) == 5  # days 0, 1, 2, then 7 and 8
    assert acts[3:7] == [Act.WAIT] * 4
    state, decision = decide(RULES, State(started=(0.0, DAY, 2 * DAY)), seen(3 * DAY, 0.9))
    assert "the next in 4 d" in decision.sentence


def test_a_clock_that_goes_back_decides_nothing_and_forgets_nothing() -> None:
    state, _ = decide(RULES, State(), seen(1_000, 0.9))
    after, decision = decide(RULES, state, seen(400, 0.9))
    assert after == state
    assert decision.act is Act.WAIT
    assert "went back by 600 s" in decision.sentence


def test_what_is_not_measured_neither_begins_nor_ends_a_rule() -> None:
    rules = replace(RULES, rules=(replace(DRIFT, hold_s=100),))
    state, decision = decide(rules, State(), seen(0))
    assert decision.sentence == "No rule holds; not measured: drift."
    state, _ = decide(rules, state, seen(1, 0.3))
    state, decision = decide(rules, state, seen(50))
    assert "of the 100 s that count" in decision.sentence
    assert state.since == {"drift": 1}


def test_age_and_volume_are_reasons_too() -> None:
    rules = Rules(
        "churn",
        (Rule("old", "age", "", "above", 30 * DAY, 30 * DAY), Rule("more", "volume", "labels", "above", 5_000, 5_000)),
    )
    _, old = decide(rules, State(), seen(31 * DAY))
    assert "the model is 31 d old (limit 30 d)" in old.sentence
    _, more = decide(rules, State(), seen(DAY, labels=6_000))
    assert more.rules == ("more",)
    _, calm = decide(rules, State(), seen(DAY))
    assert calm.act is Act.REST


@given(st.lists(st.tuples(st.floats(0, 10 * DAY), st.floats(0, 1), st.integers(0, 500)), max_size=60))
def test_whatever_comes_the_bounds_hold(rows: list[tuple[float, float, int]]) -> None:
    state, starts = State(), []
    for at, psi, labels in rows:
        state, decision = decide(RULES, state, seen(at, psi, labels))
        if decision.act is Act.TRAIN:
            assert labels >= 100
            starts.append(at)
    assert all(later - earlier >= DAY for earlier, later in itertools.pairwise(starts))
    assert all(sum(0 <= at - first < 7 * DAY for at in starts) <= 3 for first in starts)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: replace(DRIFT, leave=0.3), "lies on the calm side"),
        (lambda: Rule("r", "performance", "auc", "below", 0.8, 0.7), "lies on the calm side"),
        (lambda: replace(DRIFT, hold_s=-1), "hold_s is a time"),
        (lambda: replace(RULES, rules=()), "expected one at least"),
        (lambda: replace(RULES, new_labels=-1), "must not be negative"),
    ],
)
def test_rules_that_cannot_be_are_refused(make, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        make()
