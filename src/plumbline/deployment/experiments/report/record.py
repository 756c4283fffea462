"""The report as JSON holds it (`plumbline.experiment/1`); the page is drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plumbline.deployment.experiments.advice import Advice
from plumbline.deployment.experiments.analysis import Analysis
from plumbline.deployment.experiments.course import Moment
from plumbline.deployment.experiments.declaration import as_json
from plumbline.deployment.experiments.guardrails import standing, told
from plumbline.deployment.experiments.plan import Plan
from plumbline.deployment.experiments.readings import Reading
from plumbline.deployment.statistics.srm import LIMIT, Balance

SCHEMA = "plumbline.experiment/1"


def record(plan: Plan, found: Analysis, course: Sequence[Moment] = ()) -> dict[str, Any]:
    """Return the whole report; of a void experiment no effect is told, nor its course.

    Args:
        plan: The experiment.
        found: What it says now.
        course: How that came about.
    """
    void = found.advice is Advice.VOID
    return {
        "schema": SCHEMA,
        "experiment": plan.name,
        "advice": str(found.advice),
        "headline": found.advice.headline,
        "sentence": found.sentence,
        "at": found.at,
        "plan": as_json(plan),
        "sizes": dict(zip((arm.name for arm in plan.arms), found.sizes, strict=True)),
        "balance": {**_balance(found.balance), "limit": LIMIT},
        "parts_out_of_balance": {part: _balance(one) for part, one in found.parts.items()},
        "crossed": found.crossed,
        "torn_lines": found.torn,
        "readings": [_reading(one) for one in found.readings],
        "course": [_moment(one, void=void) for one in course],
    }


def _balance(found: Balance) -> dict[str, Any]:
    return {
        "observed": list(found.observed),
        "expected": list(found.expected),
        "p_single_look": found.p,
        "p_anytime": found.anytime_p,
        "broken": found.broken,
    }


def _reading(one: Reading) -> dict[str, Any]:
    return {
        "metric": one.metric.name,
        "treatment": one.treatment,
        "role": "guardrail" if one.metric.guardrail else "metric",
        "units": list(one.units),
        "control_mean": one.control_mean,
        "treatment_mean": one.treatment_mean,
        **_interval(one),
        "variance_taken_away": one.reduction,
        "detectable": one.detectable,
        "standing": str(standing(one)),
        "told": told(one),
    }


def _interval(one: Reading) -> dict[str, Any]:
    if one.interval is None:
        return {"difference": None, "low": None, "high": None}
    return {"difference": one.interval.difference, "low": one.interval.low, "high": one.interval.high}


def _moment(one: Moment, *, void: bool) -> dict[str, Any]:
    seen = () if void else one.readings
    return {
        "at": one.at,
        "sizes": list(one.sizes),
        "p_anytime": one.anytime_p,
        "readings": [{"metric": each.metric.name, "treatment": each.treatment, **_interval(each)} for each in seen],
    }
