"""How many replicas the metrics ask for: the examples that Kubernetes documents."""

import pytest

from plumbline.streaming.autoscaling.hpa import History, decide
from plumbline.streaming.autoscaling.policy import Policy
from plumbline.streaming.autoscaling.proposals import Observation, Replica, State, milli, propose

from .scenarios import PODS, TOTAL, pods, policy

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
