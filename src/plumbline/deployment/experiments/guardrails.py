"""What must not get worse: harm stops the experiment at once, and nothing is shipped before harm is ruled out.

A guardrail holds when the whole interval lies above the margin (non-inferiority), not when no harm was seen: with few
units nothing is ever seen.
"""

from __future__ import annotations

import enum

from plumbline.deployment.experiments.readings import Reading


class Standing(enum.StrEnum):
    """Where a metric stands against what is tolerated of it."""

    HURT = "hurt"
    HOLDS = "holds"
    OPEN = "open"


def standing(reading: Reading) -> Standing:
    """Return whether a metric surely is worse than tolerated, surely is not, or neither is known yet.

    For a metric that is no guardrail nothing is tolerated: HURT is surely worse, HOLDS surely better.
    """
    if reading.gain is None:
        return Standing.OPEN
    tolerated = reading.metric.tolerated if reading.metric.guardrail else 0.0
    if reading.gain[1] < -tolerated:
        return Standing.HURT
    return Standing.HOLDS if reading.gain[0] > -tolerated else Standing.OPEN


def told(reading: Reading) -> str:
    """Return a reading in words."""
    if reading.interval is None:
        return f"{reading.metric.name} of {reading.treatment}: too few units, {min(reading.units):,} in the smaller arm"
    low, high = reading.interval.low, reading.interval.high
    way = "better" if reading.better else "worse" if reading.worse else "neither better nor worse for sure"
    return (
        f"{reading.treatment} is {way} on {reading.metric.name}: {reading.treatment_mean:.4g} against "
        f"{reading.control_mean:.4g}, a difference between {low:+.3g} and {high:+.3g}{_margin(reading)}"
    )


def _margin(reading: Reading) -> str:
    return f" ({reading.metric.tolerated:g} is tolerated)" if reading.metric.guardrail else ""
