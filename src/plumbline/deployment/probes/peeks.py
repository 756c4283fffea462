"""Replays the looks at an experiment: what a fixed-horizon test said at each, and what could be concluded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.experiments.analysis import Compiled, compiled
from plumbline.deployment.experiments.foresight import alpha_of_pair, units_of_pair
from plumbline.deployment.experiments.log import Read
from plumbline.deployment.experiments.plan import Plan
from plumbline.deployment.experiments.readings import read
from plumbline.deployment.probes.exposures import Seen
from plumbline.deployment.statistics.peeking import false_alarms, fixed_p
from plumbline.deployment.statistics.sequences import Arm
from plumbline.evidence import UnavailableError

DAY_S = 86_400.0
MOST = 500
"""Looks that are replayed, and simulated: of more, so many evenly spread ones."""


def replayed(plan: Plan, log: Seen, path: Path) -> dict[str, Any]:
    """Return the fields of `Peeks`.

    Raises:
        UnavailableError: The log has no times, or decides for an arm that the plan does not have.
    """
    if not log.timed:
        raise UnavailableError("malformed", f"{path} has lines without a time: add `at` (Unix time) to replay looks")
    arms = {arm.name: number for number, arm in enumerate(plan.arms)}
    decision = log.decision
    if decision is not None and decision.arm not in arms:
        raise UnavailableError("malformed", f"{path} decides for '{decision.arm}', an arm that the plan does not have")
    number = arms[decision.arm] if decision is not None and arms[decision.arm] else 1
    known = compiled(plan, Read(log.exposures, log.outcomes))
    until = decision.at if decision is not None else (known.ends_at or 0.0)
    looks = _looks(known, log.looks, until)
    said = [_look(known, number, at) for at in looks]
    last = _look(known, number, until)
    alpha, planned = alpha_of_pair(plan), units_of_pair(plan, plan.arms[number])
    crossed = [units for units, p in said if p < alpha]
    ahead = _ahead([units for units, _ in said], planned)
    return {
        "decided": decision.arm if decision else "",
        "control": plan.control.name,
        "compared": plan.arms[number].name,
        "units": last[0],
        "planned": planned,
        "alpha": alpha,
        "looks": len(looks),
        "noted": bool(log.looks),
        "crossed": len(crossed),
        "first_units": crossed[0] if crossed else 0,
        "p": last[1],
        "plan_looks": len(ahead),
        "alarms": false_alarms(ahead, alpha) if ahead else 0.0,
        **_concluded(known, number, until),
    }


def _looks(known: Compiled, noted: list[float], until: float) -> list[float]:
    """Return the moments of the looks; without notes one a day, and one at the end."""
    found = sorted({at for at in noted if at <= until})
    if not noted and len(known.of):
        began = float(known.of.first.min())
        found = [began + DAY_S * day for day in range(1, math.ceil((until - began) / DAY_S))] + [until]
    if len(found) > MOST:
        found = [found[round(place)] for place in np.linspace(0, len(found) - 1, MOST)]
    return found


def _look(known: Compiled, number: int, at: float) -> tuple[int, float]:
    """Return units and p-value of the metric that decides, at a moment."""
    column = next(one for one in known.columns if one.metric == known.plan.primary)
    mature, values = column.mature(at), column.values(at)
    sides = [_arm(values[mature & (known.of.arms == side)]) for side in (0, number)]
    return sides[0].n + sides[1].n, fixed_p(*sides)


def _arm(values: NDArray[np.float64]) -> Arm:
    if len(values) < 2:
        return Arm(len(values), 0.0, 0.0)
    return Arm(len(values), float(values.mean()), float(values.var(ddof=1)))


def _ahead(sizes: list[int], planned: int) -> list[float]:
    """Return the sizes at the looks, and at those that follow at the same pace up to the planned size."""
    found = [float(size) for size in dict.fromkeys(sizes) if size > 0]
    if not found:
        return []
    pace = found[-1] / len(found) if len(found) < 2 else (found[-1] - found[0]) / (len(found) - 1)
    pace = max(pace, planned / MOST)
    more = math.ceil((planned - found[-1]) / pace - 1e-9)
    found += [min(found[-1] + pace * step, float(planned)) for step in range(1, max(0, more) + 1)]
    return found if len(found) <= MOST else [found[round(at)] for at in np.linspace(0, len(found) - 1, MOST)]


def _concluded(known: Compiled, number: int, at: float) -> dict[str, Any]:
    column = next(one for one in known.columns if one.metric == known.plan.primary)
    reading = next(one for one in read(known.plan, column, at) if one.treatment == known.plan.arms[number].name)
    if reading.interval is None:
        return {}
    interval = reading.interval
    return {
        "difference": interval.difference,
        "low": interval.low,
        "high": interval.high,
        "supported": reading.better,
    }
