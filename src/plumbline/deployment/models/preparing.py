"""From what a caller sends to arrays that a model takes: defaults filled in, what the signature forbids refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Feature, Signature
from plumbline.deployment.models.values import ABSENT, column

Rows = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""By column (name to values; a data frame will do) or by row (one mapping per row, in which a name may be absent)."""


def prepare(signature: Signature, rows: Rows) -> Arrays:
    """Return the arrays that a model takes.

    Floats become float64, integers int64, booleans bool, strings objects. Where a nullable feature is missing, numbers
    and booleans are float64 with NaN and strings are empty.

    Args:
        signature: The contract.
        rows: What was sent, by column or by row.

    Returns:
        Every input of the signature, `(n_rows, *shape)`.

    Raises:
        InvalidError: With `field`, and with `row` (from 0) where one row is to blame.
    """
    columns, n_rows = _by_column(signature, rows)
    if n_rows == 0:
        raise InvalidError("the batch is empty: send one row at least", field=None, rows=0)
    known = {feature.name for feature in signature.inputs}
    for name in columns:
        if name not in known:
            raise InvalidError(
                f"input '{name}' is unknown: the model takes {', '.join(sorted(known))}", field=name, row=None
            )
    return {feature.name: _filled(feature, columns.get(feature.name), n_rows) for feature in signature.inputs}


def _filled(feature: Feature, values: Any, n_rows: int) -> NDArray[np.generic]:
    if values is None:
        if feature.required:
            raise InvalidError(f"input '{feature.name}' is required and was not sent", field=feature.name, row=None)
        values = [ABSENT] * n_rows
    return column(feature, values)


def _by_column(signature: Signature, rows: Rows) -> tuple[dict[str, Any], int]:
    if isinstance(rows, Mapping) or hasattr(rows, "columns"):
        return _columns(rows)
    names = dict.fromkeys(feature.name for feature in signature.inputs)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidError(f"row {number} is {type(row).__name__}, not names with values", field=None, row=number)
        names.update(dict.fromkeys(row))
    sent = {name: [row.get(name, ABSENT) for row in rows] for name in names}
    return {name: values for name, values in sent.items() if any(one is not ABSENT for one in values)}, len(rows)


def _columns(rows: Any) -> tuple[dict[str, Any], int]:
    names = list(rows.columns) if hasattr(rows, "columns") else list(rows)
    columns = {str(name): rows[name] for name in names}
    lengths = {}
    for name, values in columns.items():
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise InvalidError(f"input '{name}' is one value, not a list with one per row", field=name, row=None)
        lengths[name] = len(values)
    n_rows = max(lengths.values(), default=0)
    for name, length in lengths.items():
        if length != n_rows:
            raise InvalidError(
                f"input '{name}' has {length} rows where others have {n_rows}", field=name, row=min(length, n_rows)
            )
    return columns, n_rows
