"""First whether the experiment may say anything, then what it says, then what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.deployment.experiments.advice import Advice
from plumbline.deployment.experiments.analysis import analyse
from plumbline.deployment.experiments.assignment import assign
from plumbline.deployment.experiments.log import Exposure, Outcome, Read
from plumbline.deployment.experiments.plan import Arm, Metric, Plan

PLAN = Plan(
    "ranker",
    (Arm("control", 0.5), Arm("treatment", 0.5)),
    (Metric("bought"), Metric("latency_s", "down", "mean", guardrail=True, tolerated=0.05)),
    salt="s",
    units=8_000,
)


def logged(
    plan: Plan, units: int, bought: tuple[float, float], latency: tuple[float, float] = (1.0, 1.0), seed: int = 1
) -> Read:
    """Return the log of an experiment with these rates per arm."""
    rng, log = np.random.default_rng(seed), Read()
    for number in range(units):
        unit = f"u{number}"
        arm = assign(plan, unit)
        side = int(arm.name != "control")
        log.exposures.append(Exposure(unit, arm.name, 10.0 + number, {"platform": "ios" if number % 2 else "web"}))
        if rng.random() < bought[side]:
            log.outcomes.append(Outcome(unit, "bought", 1.0, 11.0 + number))
        log.outcomes.append(Outcome(unit, "latency_s", float(rng.normal(latency[side], 0.1)), 11.0 + number))
    return log


def test_a_better_treatment_that_hurts_no_guardrail_is_shipped() -> None:
    found = analyse(PLAN, logged(PLAN, 8_000, (0.10, 0.15)))
    assert found.advice is Advice.SHIP
    assert "treatment is better on bought" in found.sentence
    assert "ship treatment" in found.sentence


def test_a_better_treatment_that_hurts_a_guardrail_is_stopped() -> None:
    found = analyse(PLAN, logged(PLAN, 8_000, (0.10, 0.15), latency=(1.0, 1.2)))
    assert found.advice is Advice.HARM
    assert "worse on latency_s" in found.sentence


def test_without_a_difference_the_end_says_what_would_have_been_seen() -> None:
    found = analyse(PLAN, logged(PLAN, 8_000, (0.10, 0.10)))
    assert found.advice is Advice.NO_GAIN
    assert "would have shown with a probability of 80 %" in found.sentence


def test_before_the_end_it_says_go_on() -> None:
    assert analyse(PLAN, logged(PLAN, 2_000, (0.10, 0.10))).advice is Advice.CONTINUE
    assert analyse(PLAN, Read()).advice is Advice.CONTINUE


def test_an_arm_that_lost_events_voids_whatever_the_metrics_say() -> None:
    log = logged(PLAN, 8_000, (0.10, 0.20))
    kept = [one for n, one in enumerate(log.exposures) if one.arm == "control" or n % 8]
    found = analyse(PLAN, replace(log, exposures=kept))
    assert found.advice is Advice.VOID
    assert "not as large as planned" in found.sentence


def test_a_loss_in_one_part_of_the_population_is_found_there() -> None:
    log = logged(PLAN, 8_000, (0.10, 0.20))
    lost = [
        one
        for n, one in enumerate(log.exposures)
        if not (one.arm != "control" and one.dimensions["platform"] == "web" and n % 5 == 0)
    ]
    found = analyse(PLAN, replace(log, exposures=lost))
    assert found.advice is Advice.VOID
    assert "platform=web" in found.parts


def test_units_that_meet_both_arms_are_in_none_and_many_of_them_void() -> None:
    log = logged(PLAN, 2_000, (0.10, 0.10))
    crossing = [
        Exposure(one.unit, "treatment" if one.arm == "control" else "control", one.at + 1) for one in log.exposures
    ]
    few = analyse(PLAN, replace(log, exposures=log.exposures + crossing[:10]))
    assert few.crossed == 10
    assert sum(few.sizes) == 1_990
    many = analyse(PLAN, replace(log, exposures=log.exposures + crossing[:200]))
    assert many.advice is Advice.VOID
    assert "assignment is not stable" in many.sentence


def test_an_arm_that_nobody_planned_voids() -> None:
    log = logged(PLAN, 500, (0.1, 0.1))
    found = analyse(PLAN, replace(log, exposures=[*log.exposures, Exposure("x", "Treatment", 1.0)]))
    assert found.advice is Advice.VOID
    assert "'Treatment' that the plan does not have" in found.sentence


def test_outcomes_from_before_the_exposure_are_no_effect_of_it() -> None:
    log = logged(PLAN, 2_000, (0.0, 0.0))
    early = [Outcome(one.unit, "bought", 1.0, one.at - 5) for one in log.exposures if one.arm == "treatment"]
    found = analyse(PLAN, replace(log, outcomes=log.outcomes + early))
    assert found.readings[0].treatment_mean == 0


def test_what_a_unit_did_before_makes_the_answer_sharper() -> None:
    plan = replace(PLAN, metrics=(Metric("spent", kind="mean", before="spent_before"),))
    rng, log = np.random.default_rng(6), Read()
    for number in range(4_000):
        arm, habit = assign(plan, f"u{number}").name, float(rng.normal(10, 3))
        log.exposures.append(Exposure(f"u{number}", arm, 100.0))
        log.outcomes.append(Outcome(f"u{number}", "spent_before", habit, 50.0))
        log.outcomes.append(
            Outcome(f"u{number}", "spent", habit + 0.15 * (arm != "control") + float(rng.normal(0, 1)), 110.0)
        )
    sharp = analyse(plan, log).readings[0]
    blunt = analyse(replace(plan, metrics=(Metric("spent", kind="mean"),)), log).readings[0]
    assert sharp.reduction == pytest.approx(0.9, abs=0.03)
    assert sharp.better
    assert not blunt.better


def test_with_more_treatments_each_is_judged_more_strictly() -> None:
    three = replace(PLAN, arms=(Arm("control", 0.4), Arm("treatment", 0.3), Arm("other", 0.3)))
    log = logged(three, 6_000, (0.1, 0.1))
    found = analyse(three, log)
    assert len(found.readings) == 4
    assert {one.interval.alpha for one in found.readings if one.interval} == {0.025}


def test_arms_that_look_uneven_are_nothing_to_build_on_and_harm_still_stops() -> None:
    plan = replace(PLAN, units=27_000)
    lost = {f"u{number}" for number in range(0, 28_000, 30)}  # a thirtieth of the treatment's exposures

    def without(log: Read) -> Read:
        kept = [one for one in log.exposures if one.arm == "control" or one.unit not in lost]
        return replace(log, exposures=[replace(one, dimensions={}) for one in kept])

    found = analyse(plan, without(logged(plan, 28_000, (0.10, 0.15))))
    assert found.balance.suspect
    assert found.advice is Advice.UNCLEAR
    assert "The arms look uneven" in found.sentence
    assert analyse(plan, without(logged(plan, 28_000, (0.15, 0.10)))).advice is Advice.HARM
