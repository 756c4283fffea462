"""Does a converted model answer as scikit-learn does? The largest difference, and the row it is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.model import Model
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.models.preparing import prepare
from plumbline.deployment.models.probing import probes
from plumbline.deployment.models.tables import Columns, frame, restored

TOLERANCE = 1e-5
"""Largest difference, absolute below 1 and relative above."""
_MOST_ROWS = 1000
_UNSEEN = "a value that no sample has"


@dataclass(frozen=True, slots=True)
class Parity:
    """What the comparison found.

    Args:
        passed: Whether no difference is above the tolerance.
        worst: Largest difference over all outputs, absolute below 1 and relative above; 1 for a label that differs.
        tolerance: What was allowed.
        rows: How many rows were compared.
        output: Where the worst is; None if all answers are equal.
        row: What was sent there, by feature.
        expected: scikit-learn's answer there.
        got: The converted model's.
    """

    passed: bool
    worst: float
    tolerance: float
    rows: int
    output: str | None = None
    row: Mapping[str, Any] | None = None
    expected: Any = None
    got: Any = None

    def sentence(self) -> str:
        """Return it in words."""
        if self.output is None:
            return f"{self.rows} rows answered alike to the last digit"
        said = f"largest difference {self.worst:.1e} of {self.tolerance:.0e} allowed, over {self.rows} rows"
        if self.passed:
            return said
        return f"{said}: output '{self.output}' is {self.got} where scikit-learn says {self.expected}, for {self.row}"


def compare(
    estimator: Any,
    methods: Mapping[str, str],
    model: Model,
    sample: Columns,
    *,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Ask both the sample and its boundaries: bounds, categories, values never seen, missing ones.

    Args:
        estimator: Fitted.
        methods: Its method by output name.
        model: The converted one.
        sample: Rows by feature; of more than 1,000 the first.
        tolerance: Allowed.
    """
    rows = _rows(model.signature, sample)
    arrays = prepare(model.signature, rows)
    nullable = {one.name for one in model.signature.inputs if one.nullable}
    columns = {name: restored(values, nullable=name in nullable) for name, values in arrays.items()}
    table, got = frame(estimator, columns), model.predict(arrays)
    expected = {name: np.asarray(getattr(estimator, method)(table)) for name, method in methods.items()}
    worst, place = 0.0, None
    for name, values in expected.items():
        difference = _difference(values, got[name])
        at = int(np.argmax(difference))
        if difference[at] > worst:
            worst, place = float(difference[at]), (name, at)
    if place is None:
        return Parity(True, 0.0, tolerance, len(rows))
    name, at = place
    return Parity(
        worst <= tolerance,
        worst,
        tolerance,
        len(rows),
        name,
        rows[at],
        expected[name][at].tolist(),
        got[name][at].tolist(),
    )


def _rows(signature: Signature, sample: Columns) -> list[dict[str, Any]]:
    rows = [probe.row for probe in probes(signature, sample, typical=_MOST_ROWS)]
    for feature in signature.inputs:
        if feature.kind == "string" and feature.choices is None and not feature.shape:
            rows.append(rows[0] | {feature.name: _UNSEEN})
    return rows


def _difference(expected: NDArray[Any], got: NDArray[Any]) -> NDArray[np.float64]:
    """One number per row."""
    if expected.dtype.kind != "f":
        unlike = np.asarray(expected.reshape(len(expected), -1) != got.reshape(len(got), -1))
        return np.asarray(unlike.any(axis=1), dtype=np.float64)
    here = expected.astype(np.float64).reshape(len(expected), -1)
    there = got.astype(np.float64).reshape(len(got), -1)
    scaled = np.abs(here - there) / np.maximum(1.0, np.abs(here))
    same = (here == there) | (np.isnan(here) & np.isnan(there))
    kept: NDArray[np.float64] = np.where(same, 0.0, np.nan_to_num(scaled, nan=np.inf))
    return np.asarray(kept.max(axis=1), dtype=np.float64)
