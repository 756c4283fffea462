"""Known rows and their answers: does a loaded model still give them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import CorruptError
from plumbline.deployment.core.manifest import Golden
from plumbline.deployment.core.model import Arrays, Table
from plumbline.deployment.core.signature import Feature, Signature


@dataclass(frozen=True, slots=True)
class Compared:
    """How golden answers came out.

    Args:
        same: All within the tolerance.
        rows: How many rows were asked.
        worst: Largest absolute difference of numbers; infinity where one is missing.
        sentence: What differs, or that nothing does.
    """

    same: bool
    rows: int
    worst: float
    sentence: str


def rows_of(golden: Golden, signature: Signature) -> tuple[Arrays, int]:
    """Return golden inputs as a model takes them, and how many rows they are.

    Raises:
        CorruptError: There are none, or a required feature is missing from them.
    """
    lengths = {len(values) for values in golden.inputs.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise CorruptError("the version has no golden rows: nobody could say that it answers as it should")
    rows = lengths.pop()
    inputs = {one.name: _column(one, golden, rows) for one in signature.inputs}
    if all(array.ndim == 1 and array.dtype.kind == "f" for array in inputs.values()):
        return Table(tuple(inputs), np.column_stack(list(inputs.values())).astype(np.float64)), rows
    return inputs, rows


def compare(golden: Golden, outputs: Mapping[str, NDArray[np.generic]]) -> Compared:
    """Compare what a model answers to golden rows with what it answered when it was registered."""
    worst, rows = 0.0, 0
    for name, values in golden.outputs.items():
        if name not in outputs:
            return Compared(False, rows, float("inf"), f"output '{name}' is missing")
        wanted, got = np.array(values), outputs[name]
        rows = len(wanted)
        if wanted.shape != got.shape:
            return Compared(False, rows, float("inf"), f"output '{name}' has shape {got.shape}, not {wanted.shape}")
        if wanted.dtype.kind in "fiu" and got.dtype.kind in "fiu":
            off = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
            off = np.where(np.isnan(off), np.inf, off)
            worst = max(worst, float(off.max(initial=0.0)))
            if worst > golden.tolerance:
                row = int(np.argwhere(off > golden.tolerance)[0][0])
                sentence = f"output '{name}', golden row {row}: off by {worst:g}, more than {golden.tolerance:g}"
                return Compared(False, rows, worst, sentence)
        elif wanted.astype(object).tolist() != got.astype(object).tolist():
            return Compared(
                False, rows, float("inf"), f"output '{name}' gives other answers than when it was registered"
            )
    return Compared(True, rows, worst, f"{rows} golden rows, off by at most {worst:g}")


def _column(feature: Feature, golden: Golden, rows: int) -> NDArray[np.generic]:
    values: Any = golden.inputs.get(feature.name)
    if values is None:
        if feature.required:
            raise CorruptError(f"golden rows lack the required input '{feature.name}'", field=feature.name)
        values = [feature.default] * rows
    if feature.kind == "string":
        return np.array(["" if value is None else value for value in values], dtype=object)
    return np.array([_numbers(value) for value in values], dtype=np.float64)


def _numbers(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_numbers(one) for one in value]
    return float("nan") if value is None else float(value)
