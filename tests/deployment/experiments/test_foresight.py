"""Before the start: what will be seen, and how many units it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.experiments.foresight import Expectation, enough, foresee
from plumbline.deployment.experiments.plan import Arm, Metric, Plan

PLAN = Plan(
    "ranker",
    (Arm("control", 0.5), Arm("treatment", 0.5)),
    (Metric("bought"), Metric("latency_s", "down", "mean", guardrail=True, tolerated=0.05)),
    salt="s",
    units=20_000,
)
KNOWN = {"bought": Expectation(mean=0.1, detect=0.02), "latency_s": Expectation(deviation=0.3)}


def test_what_is_planned_is_enough_or_it_is_said_what_would_be() -> None:
    bought, latency = foresee(PLAN, KNOWN)
    assert bought.detectable is not None
    assert bought.detectable < 0.02
    assert latency.wanted == 0.05
    assert enough(PLAN, [bought, latency])[0] is True
    few = replace(PLAN, units=3_000)
    verdict, sentence = enough(few, foresee(few, KNOWN))
    assert verdict is False
    assert sentence.startswith("3,000 units are too few: to see 0.02 in bought takes")


def test_needed_units_are_those_that_show_the_difference() -> None:
    needed = foresee(PLAN, KNOWN)[0].needed
    assert needed is not None
    again = replace(PLAN, units=needed)
    assert foresee(again, KNOWN)[0].detectable == pytest.approx(0.02, rel=1e-3)


def test_what_nobody_expects_cannot_be_foreseen() -> None:
    assert enough(PLAN, foresee(PLAN, {})) == (
        None,
        "Nothing can be said of bought, latency_s: name what is expected, and what is to be seen.",
    )
    verdict, sentence = enough(PLAN, foresee(PLAN, {"bought": KNOWN["bought"]}))
    assert verdict is True
    assert "Nothing can be said of latency_s" in sentence


def test_a_small_arm_and_more_treatments_cost_units_and_a_covariate_saves_them() -> None:
    def needed(plan: Plan, expected: Expectation) -> int:
        found = foresee(plan, {"bought": expected})[0].needed
        assert found is not None
        return found

    even = needed(PLAN, KNOWN["bought"])
    assert needed(replace(PLAN, arms=(Arm("control", 0.9), Arm("treatment", 0.1))), KNOWN["bought"]) > 2 * even
    three = (Arm("control", 0.4), Arm("treatment", 0.3), Arm("other", 0.3))
    assert needed(replace(PLAN, arms=three), KNOWN["bought"]) > even
    assert needed(PLAN, replace(KNOWN["bought"], correlation=0.8)) < 0.5 * even
    # However large the difference: below a hundred units an arm says nothing.
    assert needed(PLAN, Expectation(mean=0.5, detect=0.9)) == 200


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        (Expectation(mean=1.2), "is a share: expected between 0 and 1"),
        (Expectation(mean=0.1, correlation=2), "between -1"),
    ],
)
def test_expectations_that_cannot_be_are_refused(expected: Expectation, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        foresee(PLAN, {"bought": expected})
