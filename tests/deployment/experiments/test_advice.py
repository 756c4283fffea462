"""Ship, stop, go on, keep, or: cannot tell. Each with its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plumbline.deployment.experiments.advice import Advice, advise
from plumbline.deployment.experiments.guardrails import Standing, standing, told
from plumbline.deployment.experiments.plan import Arm, Metric, Plan
from plumbline.deployment.experiments.readings import Reading
from plumbline.deployment.statistics.sequences import Interval

BOUGHT, LATENCY = Metric("bought"), Metric("latency_s", "down", "mean", guardrail=True, tolerated=0.05)
PLAN = Plan("ranker", (Arm("control", 0.5), Arm("treatment", 0.5)), (BOUGHT, LATENCY), salt="s", units=1_000)
THREE = replace(PLAN, arms=(Arm("control", 0.4), Arm("treatment", 0.3), Arm("other", 0.3)))


def read(metric: Metric, low: float | None, high: float = 0.0, units: int = 100, arm: str = "treatment") -> Reading:
    interval = None if low is None else Interval((low + high) / 2, low, high, 0.05)
    return Reading(metric, arm, (units, units), 0.1, 0.2, interval, 0.0, None if low is None else 0.02)


@pytest.mark.parametrize(
    ("low", "high", "want"),
    [
        (-0.2, -0.1, Standing.HOLDS),
        (-0.01, 0.04, Standing.HOLDS),  # worse perhaps, but never by more than is tolerated
        (0.01, 0.04, Standing.HOLDS),  # worse for sure, but tolerated
        (0.01, 0.06, Standing.OPEN),
        (0.06, 0.09, Standing.HURT),
        (None, 0.0, Standing.OPEN),
    ],
)
def test_a_guardrail_holds_only_when_more_harm_than_tolerated_is_ruled_out(
    low: float | None, high: float, want: Standing
) -> None:
    assert standing(read(LATENCY, low, high)) is want


@pytest.mark.parametrize(
    ("bought", "latency", "units", "want", "says"),
    [
        ((0.01, 0.03), (-0.01, 0.01), 100, Advice.SHIP, "every guardrail holds: ship treatment"),
        ((0.01, 0.03), (-0.01, 0.07), 100, Advice.CONTINUE, "not yet known whether latency_s holds"),
        ((0.01, 0.03), (-0.01, 0.07), 500, Advice.UNCLEAR, "harm to latency_s is not ruled out"),
        ((0.01, 0.03), (0.06, 0.08), 100, Advice.HARM, "worse on latency_s"),
        ((-0.03, -0.01), (-0.01, 0.01), 100, Advice.HARM, "worse on bought"),
        ((-0.01, 0.01), (-0.01, 0.01), 100, Advice.CONTINUE, "Nothing is decided after 200 of 1,000 units"),
        ((-0.01, 0.01), (-0.01, 0.01), 500, Advice.NO_GAIN, "one of 0.02 would have shown"),
        ((None, 0.0), (None, 0.0), 500, Advice.UNCLEAR, "too few in one arm"),
    ],
)
def test_the_advice_follows_from_what_is_sure(
    bought: tuple[float | None, float], latency: tuple[float | None, float], units: int, want: Advice, says: str
) -> None:
    advice, sentence = advise(PLAN, (read(BOUGHT, *bought, units), read(LATENCY, *latency, units)), ran_s=1.0)
    assert advice is want
    assert says in sentence
    assert want.headline


def test_a_metric_that_only_is_reported_decides_nothing() -> None:
    plan = replace(PLAN, metrics=(BOUGHT, Metric("clicks"), LATENCY))
    readings = (read(BOUGHT, 0.01, 0.03), read(Metric("clicks"), -0.3, -0.2), read(LATENCY, -0.01, 0.01))
    assert advise(plan, readings, 1.0)[0] is Advice.SHIP


def test_before_the_least_time_nothing_is_shipped_and_harm_still_stops() -> None:
    plan = replace(PLAN, least_s=7 * 86_400.0)
    advice, sentence = advise(plan, (read(BOUGHT, 0.01, 0.03), read(LATENCY, -0.01, 0.01)), 2 * 86_400.0)
    assert advice is Advice.CONTINUE
    assert "for another 5 d" in sentence
    assert advise(plan, (read(BOUGHT, 0.01, 0.03), read(LATENCY, 0.06, 0.07)), 60.0)[0] is Advice.HARM


def test_of_several_treatments_a_good_one_is_shipped_though_another_does_harm() -> None:
    good = (read(BOUGHT, 0.01, 0.03), read(LATENCY, -0.01, 0.01))
    harm = (read(BOUGHT, 0.02, 0.04, arm="other"), read(LATENCY, 0.06, 0.08, arm="other"))
    advice, sentence = advise(THREE, (*good, *harm), 1.0)
    assert advice is Advice.SHIP
    assert sentence.endswith("ship treatment.")
    dull = (read(BOUGHT, -0.01, 0.03), read(LATENCY, -0.01, 0.01))
    advice, sentence = advise(THREE, (*dull, *harm), 1.0)
    assert advice is Advice.HARM
    assert "take other away" in sentence
    assert "wants an experiment of its own" in sentence
    calm = (read(BOUGHT, -0.01, 0.03, arm="other"), read(LATENCY, -0.01, 0.01, arm="other"))
    assert "units of this pair" in advise(THREE, (*dull, *calm), 1.0)[1]


def test_what_is_not_known_is_said_as_that() -> None:
    assert told(read(BOUGHT, None)) == "bought of treatment: too few units, 100 in the smaller arm"
    assert "neither better nor worse for sure" in told(read(BOUGHT, -0.1, 0.1))
