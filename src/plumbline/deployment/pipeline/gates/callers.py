"""Would these requests be taken? Rows of real callers held against a signature, column by column."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Feature, Signature
from plumbline.deployment.models.preparing import prepare


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why some rows would be refused.

    Args:
        feature: The input.
        why: What is wrong with it, `is missing`.
        rows: Which rows, `(n_rows,)`.
    """

    feature: str
    why: str
    rows: NDArray[np.bool_]


def rows_of(inputs: Arrays) -> int:
    """Return the number of rows; 0 without inputs."""
    return min((len(values) for values in inputs.values()), default=0)


def refusals(signature: Signature, inputs: Arrays) -> tuple[Refusal, ...]:
    """Return every reason for which a signature refuses rows; inputs that it does not know are one, too."""
    return tuple(one for one in _reasons(signature, inputs, rows_of(inputs)) if one.rows.any())


def refused(reasons: tuple[Refusal, ...], rows: int) -> NDArray[np.bool_]:
    """Return which rows are refused for any reason, `(n_rows,)`."""
    return np.logical_or.reduce([one.rows for one in reasons], axis=0) if reasons else np.zeros(rows, dtype=bool)


def filled(signature: Signature, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
    """Return what the model sees: its own features only, optional ones that nobody sent with their default.

    Raises:
        InvalidError: The signature refuses a row; `field` and `row` say which.
    """
    known = {feature.name for feature in signature.inputs}
    return dict(prepare(signature, {name: values for name, values in inputs.items() if name in known}))


def missing(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return where a value is missing: NaN or None, `(n_rows, *shape)`."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values.astype(np.float64)))
    if values.dtype.kind == "O":
        absent = [one is None or (isinstance(one, float) and math.isnan(one)) for one in values.ravel().tolist()]
        return np.asarray(absent, dtype=bool).reshape(values.shape)
    return np.zeros(values.shape, dtype=bool)


def _reasons(signature: Signature, inputs: Arrays, rows: int) -> Iterator[Refusal]:
    every = np.ones(rows, dtype=bool)
    for name in inputs:
        if signature.feature(name) is None:
            yield Refusal(name, "is not known", every)
    for feature in signature.inputs:
        values = inputs.get(feature.name)
        if values is not None:
            yield from _values(feature, values[:rows])
        elif feature.required:
            yield Refusal(feature.name, "is required and not sent", every)


def _values(feature: Feature, values: NDArray[np.generic]) -> Iterator[Refusal]:
    gone = missing(values)
    if not feature.nullable:
        yield Refusal(feature.name, "is missing", _any(gone))
    number = values.dtype.kind in "fiub"
    if (feature.kind == "string") == number:
        yield Refusal(feature.name, f"is no {feature.kind}", np.ones(len(values), dtype=bool))
        return
    if feature.kind == "int" and values.dtype.kind == "f":
        whole = np.asarray(values, dtype=np.float64)
        yield Refusal(feature.name, "is no whole number", _any(~gone & (whole != np.round(whole))))
    if number:
        yield from _bounds(feature, np.asarray(values, dtype=np.float64), gone)
    if feature.choices is not None:
        listed = np.isin(values.astype(str) if not number else values, np.asarray(feature.choices))
        yield Refusal(feature.name, "is none of the listed values", _any(~gone & ~listed))


def _bounds(feature: Feature, values: NDArray[np.float64], gone: NDArray[np.bool_]) -> Iterator[Refusal]:
    if feature.minimum is not None:
        yield Refusal(feature.name, f"is below {feature.minimum:g}", _any(~gone & (values < feature.minimum)))
    if feature.maximum is not None:
        yield Refusal(feature.name, f"is above {feature.maximum:g}", _any(~gone & (values > feature.maximum)))


def _any(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(where.reshape(len(where), -1).any(axis=1) if len(where) else where.reshape(0), dtype=bool)
