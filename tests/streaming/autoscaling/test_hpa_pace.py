"""How fast it may go there: rates, windows and directions, as Kubernetes documents them."""

import pytest

from plumbline.streaming.autoscaling.hpa import History, decide
from plumbline.streaming.autoscaling.proposals import Observation

from .scenarios import TOTAL, pods, policy, run

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
