"""The algorithm against the examples that Kubernetes documents, and against what must always hold."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.streaming.autoscaling.hpa import History, decide
from plumbline.streaming.autoscaling.policy import Policy
from plumbline.streaming.autoscaling.proposals import Observation, Replica, State, milli, propose

PODS = [{"name": "connections", "average_value": 100}]


def policy(**values):
    return Policy.read({"min_replicas": 1, "max_replicas": 100, "metrics": PODS, **values})


def pods(*values, state=State.READY):
    """Replicas with these values; None is a missing one."""
    return tuple(
        Replica(f"w{number}", state, {} if value is None else {"connections": value})
        for number, value in enumerate(values)
    )


def run(rules, steps, replicas, history=None):
    """Decide at each (now, values or total); return the replicas after each step."""
    history, found = history or History(), []
    for now, value in steps:
        seen = Observation(replicas, pods(*[value] * replicas), {"queue": value})
        decision = decide(rules, history, seen, now)
        replicas, history = decision.replicas, decision.history
        found.append(replicas)
    return found


# https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/ (algorithm details): a current
# value of 200m against 100m doubles, 50m against 100m halves; nothing is done within 0.1. KEP-4951: at 100 replicas a
# ratio of 1.07 is left alone by default, and gives 107 with a tolerance of 5 %. The others: replica_calculator_test.go.
NOT_STARTED = (Replica("p", State.PENDING), Replica("q", State.PENDING))
GONE = (Replica("l", State.LEAVING, {"connections": 0}), Replica("f", State.FAILED, {"connections": 0}))
FORMULA = [
    ("200m against 100m doubles", 2, {"up": {}}, pods(200, 200), 4),
    ("50m against 100m halves", 4, {}, pods(*[50] * 4), 2),
    ("the number is rounded up", 3, {}, pods(120, 120, 120), 4),
    ("a ratio of 1.1 is tolerated", 4, {}, pods(*[110] * 4), 4),
    ("a ratio of 1.111 is not", 4, {}, pods(*[111.1] * 4), 5),
    ("a ratio of 0.9 is tolerated", 10, {}, pods(*[90] * 10), 10),
    ("a ratio of 0.8 is not", 10, {}, pods(*[80] * 10), 8),
    ("KEP-4951: 1.07 of 100 is tolerated", 100, {"max_replicas": 200}, pods(*[107] * 100), 100),
    ("KEP-4951: 1.07 of 100 with 5 %", 100, {"max_replicas": 200, "up": {"tolerance": 0.05}}, pods(*[107] * 100), 107),
    ("each direction has its tolerance", 100, {"up": {"tolerance": 0.05}}, pods(*[93] * 100), 100),
    ("missing when growing counts as 0", 4, {}, pods(150, 150, 150, None), 5),
    ("missing when growing may fall into tolerance", 4, {}, pods(130, 130, 130, None), 4),
    ("missing when growing may turn round: keep", 4, {}, pods(120, 120, None, None), 4),
    ("missing when shrinking counts as the target", 4, {}, pods(50, 50, 50, None), 3),
    ("missing when shrinking and hardly below", 10, {}, pods(80, *[None] * 9), 10),
    ("not started when growing counts as 0", 3, {}, (*pods(300), *NOT_STARTED), 3),
    ("not started is no reason to shrink less", 4, {}, (*pods(40, 40), *NOT_STARTED), 1),
    ("those that leave or failed do not count", 2, {}, (*pods(200, 200), *GONE), 4),
    ("unready with a value counts: only CPU waits for readiness", 2, {}, pods(200, 200, state=State.UNREADY), 4),
    ("nobody reports: keep", 3, {}, pods(None, None, None), 3),
    ("a change of length must not turn the direction round", 5, {}, pods(170, 170, None), 5),
]  # fmt: skip


@pytest.mark.parametrize(("title", "current", "values", "seen", "expected"), FORMULA, ids=[row[0] for row in FORMULA])
def test_the_formula(title, current, values, seen, expected):
    rules = policy(**{"down": {"stabilization_s": 0}, **values})
    assert decide(rules, History(), Observation(current, seen), 1000.0).replicas == expected


TOTAL = {"name": "queue", "over": "total"}


@pytest.mark.parametrize(
    ("metric", "current", "total", "ready", "expected"),
    [
        ({"average_value": 50}, 2, 120, 2, 3),  # ceil(120 / 50)
        ({"average_value": 50}, 2, 105, 2, 2),  # 105 / 100 is tolerated
        ({"average_value": 4}, 2, 8.2, 2, 2),
        ({"average_value": 4}, 2, 12, 2, 3),
        ({"value": 100}, 3, 200, 3, 6),  # ratio x ready
        ({"value": 100}, 3, 200, 2, 4),  # only ready ones are multiplied
        ({"value": 100}, 3, 105, 3, 3),
        ({"value": 100}, 3, 200, 0, 3),  # ceil(2 x 0) = 0 is less than current: held by min_replicas below
    ],
)
def test_totals_are_shared_or_compared(metric, current, total, ready, expected):
    rules = policy(metrics=[{**TOTAL, **metric}], down={"stabilization_s": 0}, min_replicas=min(current, expected))
    states = [State.READY] * ready + [State.UNREADY] * (current - ready)
    seen = Observation(current, tuple(Replica(str(n), state) for n, state in enumerate(states)), {"queue": total})
    assert decide(rules, History(), seen, 0.0).replicas == expected


def test_a_value_without_any_known_replica_says_nothing():
    rules = policy(metrics=[{**TOTAL, "value": 1}])
    decision = decide(rules, History(), Observation(3, (), {"queue": 9}), 0.0)
    assert (decision.replicas, decision.recommended, decision.code) == (3, None, "FailedGetMetrics")


@pytest.mark.parametrize(
    ("metric", "total", "expected"), [("value", 250, 3), ("value", 0, 0), ("average_value", 250, 3)]
)
def test_from_nothing_the_total_says_how_many(metric, total, expected):
    rules = policy(metrics=[{**TOTAL, metric: 100}], min_replicas=0)
    assert decide(rules, History(), Observation(0, (), {"queue": total}), 0.0).replicas == expected


def test_to_nothing_when_the_total_is_nothing():
    rules = policy(metrics=[{**TOTAL, "average_value": 100}], min_replicas=0, down={"stabilization_s": 0})
    assert decide(rules, History(), Observation(1, pods(0), {"queue": 0}), 0.0).replicas == 0
    assert decide(rules, History(), Observation(0, (), {"queue": 0}), 0.0).replicas == 0


def test_with_none_asked_for_it_is_off():
    decision = decide(policy(), History(), Observation(0, ()), 0.0)
    assert (decision.replicas, decision.code) == (0, "ScalingDisabled")


@pytest.mark.parametrize(("current", "expected"), [(1, 3), (9, 6)])
def test_beyond_the_bounds_it_goes_to_the_bound_at_once(current, expected):
    rules = policy(min_replicas=3, max_replicas=6, down={"select": "disabled"}, up={"select": "disabled"})
    decision = decide(rules, History(), Observation(current, pods(*[1] * current)), 0.0)
    assert decision.replicas == expected
    events = decision.history.ups if expected > current else decision.history.downs
    assert [event.count for event in events] == [abs(expected - current)]


def test_the_largest_of_several_metrics_wins():
    rules = policy(metrics=[*PODS, {**TOTAL, "average_value": 10}])
    assert decide(rules, History(), Observation(2, pods(150, 150), {"queue": 55}), 0.0).replicas == 6
    assert decide(rules, History(), Observation(2, pods(290, 290), {"queue": 55}), 0.0).replicas == 6
    assert (
        decide(rules, History(), Observation(2, pods(310, 310), {"queue": 55}), 0.0).replicas == 6
    )  # four more at most
    assert "up.rates permit 6" in decide(rules, History(), Observation(2, pods(310, 310), {}), 0.0).reasons[-1]


def test_with_a_metric_missing_it_may_grow_but_not_shrink():
    rules = policy(metrics=[*PODS, {**TOTAL, "average_value": 10}], down={"stabilization_s": 0})
    growing = decide(rules, History(), Observation(2, pods(200, 200)), 0.0)
    shrinking = decide(rules, History(), Observation(4, pods(*[50] * 4)), 0.0)
    assert (growing.replicas, shrinking.replicas, shrinking.code) == (4, 4, "FailedGetMetrics")
    assert "queue is missing" in growing.reasons


# The same page, "Scaling policies": from 80 to 10 with 4 pods or 10 % a minute, 8 go first, then 72 x 10 % = 7.2 is
# rounded up to 8; below 40 it is 4 at a time.
TEN_PERCENT = [{"type": "pods", "value": 4, "period_s": 60}, {"type": "percent", "value": 10, "period_s": 60}]


def test_the_documented_way_from_80_to_10():
    rules = policy(metrics=[{**TOTAL, "average_value": 1}], down={"stabilization_s": 0, "rates": TEN_PERCENT})
    found = run(rules, [(minute * 60.0, 10) for minute in range(16)], 80)
    assert found == [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10, 10, 10]


def test_within_one_period_the_rate_holds_from_its_start():
    rules = policy(metrics=[{**TOTAL, "average_value": 1}], down={"stabilization_s": 0, "rates": TEN_PERCENT})
    assert run(rules, [(0.0, 10), (15.0, 10), (45.0, 10), (59.0, 10), (60.0, 10)], 80) == [72, 72, 72, 72, 64]


def test_select_min_takes_the_rate_that_permits_least():
    rates = [{"type": "percent", "value": 10, "period_s": 60}, {"type": "pods", "value": 5, "period_s": 60}]
    rules = policy(
        metrics=[{**TOTAL, "average_value": 1}], down={"stabilization_s": 0, "rates": rates, "select": "min"}
    )
    assert run(rules, [(minute * 60.0, 10) for minute in range(4)], 80) == [75, 70, 65, 60]  # never more than 5
    assert run(rules, [(minute * 60.0, 10) for minute in range(3)], 30) == [27, 24, 21]  # nor more than 10 %


@pytest.mark.parametrize(("rules", "value", "code"), [("down", 10, "ScaleDownLimit"), ("up", 900, "ScaleUpLimit")])
def test_a_disabled_direction_does_not_move(rules, value, code):
    chosen = policy(**{"down": {"stabilization_s": 0}, rules: {"select": "disabled", "stabilization_s": 0}})
    decision = decide(chosen, History(), Observation(4, pods(*[value] * 4)), 0.0)
    assert (decision.replicas, decision.code) == (4, code)


def test_by_default_it_doubles_or_adds_four_in_15_s():
    rules = policy()
    assert run(rules, [(0.0, 1000), (15.0, 1000), (30.0, 1000), (45.0, 1000)], 1) == [5, 10, 20, 40]
    assert run(rules, [(0.0, 1000), (5.0, 1000), (14.9, 1000)], 1) == [5, 5, 5]


def test_growth_and_shrinking_count_for_each_others_period():
    """`periodStartReplicas` takes away what was added and adds back what was taken."""
    rules = policy(
        metrics=[{**TOTAL, "average_value": 1}],
        up={"rates": [{"type": "pods", "value": 2, "period_s": 60}]},
        down={"stabilization_s": 0, "rates": [{"type": "pods", "value": 2, "period_s": 60}]},
    )
    assert run(rules, [(0.0, 20), (15.0, 1), (30.0, 20), (61.0, 20)], 10) == [12, 8, 12, 14]


def test_the_highest_recommendation_of_the_window_holds_when_shrinking():
    rules = policy(metrics=[{**TOTAL, "average_value": 10}], down={"stabilization_s": 300})
    steps = [(0.0, 60), (15.0, 40), (150.0, 20), (299.0, 20), (300.0, 20), (315.0, 20), (450.0, 20)]
    assert run(rules, steps, 6) == [6, 6, 6, 6, 4, 2, 2]
    decision = decide(rules, History(), Observation(6, pods(), {"queue": 20}), 0.0)
    assert (decision.replicas, decision.recommended, decision.code) == (6, 2, "ScaleDownStabilized")


def test_the_lowest_recommendation_of_the_window_holds_when_growing():
    rules = policy(metrics=[{**TOTAL, "average_value": 10}], up={"stabilization_s": 60})
    decision = decide(rules, History(), Observation(2, pods(), {"queue": 60}), 0.0)
    assert (decision.replicas, decision.code) == (2, "ScaleUpStabilized")
    assert run(rules, [(0.0, 60), (30.0, 40), (59.0, 60), (60.0, 60), (91.0, 60)], 2) == [2, 2, 2, 4, 6]


def test_bounds_are_said_when_they_hold():
    rules = policy(min_replicas=2, max_replicas=3, down={"stabilization_s": 0})
    assert decide(rules, History(), Observation(2, pods(900, 900)), 0.0).code == "TooManyReplicas"
    assert decide(rules, History(), Observation(3, pods(1, 1, 1)), 0.0).code == "TooFewReplicas"


@pytest.mark.parametrize(("value", "thousandths"), [(0.1, 100), (1.1, 1100), (0.07, 70), (0.00001, 1), (3, 3000)])
def test_values_are_thousandths_rounded_up(value, thousandths):
    assert milli(value) == thousandths


@pytest.mark.parametrize("metric", Policy.read({"max_replicas": 1, "metrics": [*PODS, {**TOTAL, "value": 1}]}).metrics)
def test_a_missing_metric_proposes_nothing(metric):
    proposal = propose(policy(), metric, Observation(1, pods(None)))
    assert proposal.replicas is None
    assert metric.name in proposal.sentence


# What must always hold.
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
