"""How two models' answers to the same rows relate: kept promises, scale, direction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.contract import Bump, Change
from plumbline.deployment.core.signature import Output
from plumbline.deployment.models.answering import Asked

LINEAR = 0.95
"""Correlation from which one model's answers are a straight line of the other's."""
SCALE = 2.0
"""Slope of that line from which it is another unit, not another fit: a model retrained on the same target is near 1."""
_LEAST_ROWS = 8
_ROUNDING = 1e-6


def compare(before: Output, after: Output, both: list[Asked]) -> Iterator[Change]:
    """Return what the answers show and the signatures do not.

    Args:
        before: The output, as the old version declares it.
        after: As the new version does.
        both: Rows that both answered.
    """
    if not both:
        return
    where = f"output '{before.name}'"
    old = [one.old.values[before.name] for one in both if one.old.values is not None]
    new = [one.new.values[before.name] for one in both if one.new.values is not None]
    if after.kind == "float":
        yield from _finite(where, old, new, both)
    yield from _kept(where, after, new, both)
    if before.kind == after.kind == "float" and old[0].shape == new[0].shape and before.classes == after.classes:
        yield from _line(where, before, np.array(old, dtype=np.float64), np.array(new, dtype=np.float64))


def _finite(where: str, old: list[NDArray[Any]], new: list[NDArray[Any]], both: list[Asked]) -> Iterator[Change]:
    for here, there, asked in zip(old, new, both, strict=True):
        if here.dtype.kind == "f" and np.isfinite(here).all() and not np.isfinite(there).all():
            said = f"is NaN or infinite now, for a row that had a number ({asked.probe.why})"
            yield Change(Bump.MAJOR, where, said, "answer-not-finite")
            return


def _kept(where: str, after: Output, new: list[NDArray[Any]], both: list[Asked]) -> Iterator[Change]:
    """A promise of the new version's own signature that its model does not keep."""
    for value, asked in zip(new, both, strict=True):
        outside = None
        if after.kind == "float" and np.isfinite(value).all():
            if after.minimum is not None and (value < after.minimum - _ROUNDING).any():
                outside = f"below {after.minimum:g}"
            if after.maximum is not None and (value > after.maximum + _ROUNDING).any():
                outside = f"above {after.maximum:g}"
        elif after.classes is not None and after.kind != "float" and value.tolist() not in after.classes:
            outside = "none of its classes"
        if outside:
            said = f"is {value.tolist()}, {outside}, against its own signature ({asked.probe.why})"
            yield Change(Bump.MAJOR, where, said, "promise-not-kept")
            return


def _line(where: str, output: Output, old: NDArray[np.float64], new: NDArray[np.float64]) -> Iterator[Change]:
    old, new = old.reshape(len(old), -1), new.reshape(len(new), -1)
    fine = np.isfinite(old).all(axis=1) & np.isfinite(new).all(axis=1)
    old, new = old[fine], new[fine]
    if len(old) < _LEAST_ROWS:
        return
    for axis in range(old.shape[1]):
        x, y = old[:, axis], new[:, axis]
        if x.std() == 0 or y.std() == 0:
            continue
        correlation, slope = float(np.corrcoef(x, y)[0, 1]), float(y.std() / x.std())
        if correlation < -LINEAR:
            said = (
                f"goes down where it went up (correlation {correlation:.2f} over {len(x)} rows): its meaning is turned"
            )
            yield Change(Bump.MAJOR, where, said, "output-turned")
            return
        if output.classes is None and correlation > LINEAR and not 1 / SCALE <= slope <= SCALE:
            said = f"is {slope:.3g} times what it was (correlation {correlation:.2f} over {len(x)} rows): another unit"
            yield Change(Bump.MAJOR, where, said, "output-scaled")
            return
