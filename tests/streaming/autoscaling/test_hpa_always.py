"""What must hold of every decision, whatever the policy and the course of the metrics."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.streaming.autoscaling.hpa import History, decide
from plumbline.streaming.autoscaling.proposals import Observation, propose

from .scenarios import pods, policy

directions = st.fixed_dictionaries(
    {
        "stabilization_s": st.integers(0, 120),
        "tolerance": st.floats(0, 0.5),
        "select": st.sampled_from(["max", "min", "disabled"]),
        "rates": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(["pods", "percent"]),
                    "value": st.integers(1, 150),
                    "period_s": st.integers(1, 120),
                }
            ),
            min_size=1,
            max_size=3,
        ),
    }
)
policies = st.builds(
    lambda low, more, up, down: policy(min_replicas=low, max_replicas=low + more, up=up, down=down),
    st.integers(1, 5), st.integers(0, 30), directions, directions,
)  # fmt: skip
values = st.one_of(st.none(), st.floats(0, 1000))
courses = st.lists(st.tuples(st.floats(0.1, 60), st.lists(values, min_size=1, max_size=8)), min_size=1, max_size=25)


@settings(deadline=None, max_examples=150)
@given(policies, courses, st.integers(1, 40))
def test_decisions_stay_in_bounds_move_no_faster_than_the_rates_and_never_against_the_metrics(rules, course, replicas):
    history, now, changes = History(), 0.0, []
    for step, seen in course:
        now += step
        decision = decide(rules, history, Observation(replicas, pods(*seen)), now)
        inside = rules.min_replicas <= replicas <= rules.max_replicas
        assert rules.min_replicas <= decision.replicas <= rules.max_replicas
        if inside and decision.replicas > replicas:
            assert rules.up.select != "disabled"
            assert decision.replicas <= decision.recommended
        if inside and decision.replicas < replicas:
            assert rules.down.select != "disabled"
            assert decision.replicas >= min(decision.recommended, replicas)
        if inside and decision.replicas != replicas:
            changes.append(now)
        assert len(decision.reasons) > 0
        replicas, history = decision.replicas, decision.history
        assert len(history.recommended) <= len(course) + 1
    assert all(event.count > 0 for event in (*history.ups, *history.downs))


@settings(deadline=None, max_examples=100)
@given(policies, st.lists(st.floats(0, 1000), min_size=1, max_size=20), st.floats(0, 1e6))
def test_the_same_question_has_the_same_answer_and_the_history_is_not_changed(rules, seen, now):
    history = History()
    observation = Observation(min(len(seen), rules.max_replicas), pods(*seen))
    first = decide(rules, history, observation, now)
    assert first == decide(rules, history, observation, now)
    assert history == History()
    assert dataclasses.is_dataclass(first)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 50), st.floats(1, 500), st.floats(1, 500))
def test_more_load_never_asks_for_less(count, one, other):
    metric = policy().metrics[0]
    low, high = sorted((one, other))
    few = propose(policy(), metric, Observation(count, pods(*[low] * count))).replicas
    many = propose(policy(), metric, Observation(count, pods(*[high] * count))).replicas
    assert few <= many


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 60), min_size=50, max_size=200))
def test_the_history_stays_as_long_as_the_window_needs(steps):
    rules, history, now = policy(down={"stabilization_s": 60}), History(), 0.0
    recent = []
    for step in steps:
        now += step + 1
        recent = [at for at in recent if at > now - 60] + [now]
        history = decide(rules, history, Observation(2, pods(50, 50)), now).history
        assert {item.at for item in history.recommended} >= set(recent)
    assert len(history.recommended) <= 61
