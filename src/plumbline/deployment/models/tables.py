"""Samples of data as columns by name, and columns as the table that a scikit-learn estimator takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError

Columns = Mapping[str, NDArray[Any]]


def table(sample: Any) -> dict[str, NDArray[Any]]:
    """Return a sample by column.

    Args:
        sample: A data frame, a mapping of columns, or `(array, names)`.

    Raises:
        InvalidError: It is empty, or an array without names.
    """
    if isinstance(sample, tuple) and len(sample) == 2:
        array, names = np.asarray(sample[0]), [str(one) for one in sample[1]]
        if array.ndim != 2 or array.shape[1] != len(names):
            raise InvalidError(f"the sample has shape {array.shape} and {len(names)} names: expected one per column")
        columns = {name: array[:, number] for number, name in enumerate(names)}
    elif isinstance(sample, Mapping):
        columns = {str(name): np.asarray(values) for name, values in sample.items()}
    elif hasattr(sample, "columns"):
        columns = {str(name): sample[name].to_numpy() for name in sample.columns}
    else:
        raise InvalidError(
            "the sample has no column names: give a data frame, a mapping of columns, or (array, names); "
            "inputs are known by name, so that two columns cannot be swapped in silence"
        )
    if not columns or any(len(values) == 0 for values in columns.values()):
        raise InvalidError("the sample is empty: give rows as the model was trained on, a hundred or more")
    return columns


def frame(estimator: Any, columns: Columns) -> Any:
    """Return the table that an estimator takes: a data frame if it was trained on one, else an array."""
    if hasattr(estimator, "feature_names_in_"):
        import pandas as pd

        return pd.DataFrame(dict(columns))
    return np.column_stack(list(columns.values()))


def restored(array: NDArray[Any], *, nullable: bool) -> NDArray[Any]:
    """Return strings in which empty ones are NaN again, as scikit-learn's estimators know missing ones."""
    if not nullable or array.dtype != object:
        return array
    lost = array == ""
    return np.where(lost, np.nan, array) if lost.any() else array
