"""How the answer came about: what a look would have said at moments spread over the experiment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plumbline.deployment.experiments.analysis import Compiled
from plumbline.deployment.experiments.readings import Reading

MOMENTS = 60
"""Points of a curve: more than a screen shows, and the arithmetic is that of as many looks."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One look.

    Args:
        at: Unix time in seconds.
        sizes: Units per arm, in the plan's order.
        anytime_p: Of the balance of the arms.
        readings: One per metric and treatment.
    """

    at: float
    sizes: tuple[int, ...]
    anytime_p: float
    readings: tuple[Reading, ...]


def course(known: Compiled, moments: int = MOMENTS) -> list[Moment]:
    """Return the looks from the first exposure to the end of the log, evenly in time; none of an empty log."""
    if known.ends_at is None or not len(known.of):
        return []
    times = np.linspace(float(known.of.first.min()), known.ends_at, moments + 1)[1:]
    return [_moment(known, float(at)) for at in times]


def _moment(known: Compiled, at: float) -> Moment:
    found = known.balance(at)
    return Moment(at, found.observed, found.anytime_p, known.readings(at))
