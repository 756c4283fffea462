"""Numbers of one request as a matrix: all columns checked at once against ranges, choices and types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.model import Table
from plumbline.deployment.core.signature import Feature, Signature

EXACT = 2.0**53  # integers beyond are not all told apart as FP64
SMALL = 256  # cells below which plain Python is quicker than two array operations


class Columns:
    """What is asked of columns in one order.

    Args:
        signature: The contract.
        columns: Names of the matrix' columns; known features, each once.
        sent: All names that the request has, columns or not.
        width: Values per row, when one feature's rows are laid under each other.

    Raises:
        InvalidError: A required feature is not among those sent (`missing_field`).
    """

    def __init__(self, signature: Signature, columns: tuple[str, ...], sent: tuple[str, ...], width: int = 1) -> None:
        self._width = width
        self._features = [_named(signature, name) for name in columns]
        missing = [one for one in signature.inputs if one.name not in sent]
        for one in missing:
            if one.required:
                raise InvalidError(
                    f"input '{one.name}' is required, but missing", reason="missing_field", field=one.name
                )
        fillers = [one for one in missing if one.kind != "string" and not one.shape]
        self._fill = np.array([_number(one.default) for one in fillers], dtype=np.float64)
        self.others = [one for one in missing if one not in fillers]
        """Optional features that do not fit into the matrix and were not sent."""
        given = (*columns, *(one.name for one in fillers))
        self.columns = tuple(one.name for one in signature.inputs if one.name in given)
        """The table's columns, always in the order of the signature."""
        order = [given.index(name) for name in self.columns]
        self._order = None if order == sorted(order) else np.array(order)
        whole = [one.kind != "float" for one in self._features]
        self._low = np.array([_low(one) for one in self._features])
        self._high = np.array([_high(one) for one in self._features])
        most = np.finfo(np.float64).max
        self._unbounded = bool((self._low <= -most).all() and (self._high >= most).all())
        self._whole = np.flatnonzero(whole)
        self._chosen = [(at, one.choices) for at, one in enumerate(self._features) if one.choices is not None]

    def checked(self, matrix: NDArray[np.float64]) -> Table:
        """Return the table of a matrix `(n_rows, n_columns)`, defaults appended.

        Raises:
            InvalidError: A cell is out of range, missing, no integer where one belongs, or no valid choice.
        """
        if not self._inside(matrix):
            self._refuse_outside(matrix)
        if len(self._whole):
            part = matrix[:, self._whole]
            broken = (part != np.rint(part)) & ~np.isnan(part)
            if broken.any():
                row, at = (int(one) for one in np.argwhere(broken)[0])
                feature = self._features[self._whole[at]]
                raise self._wrong(feature, row, f"{part[row, at]:g} is no {_KINDS[feature.kind]}", "wrong_type")
        for at, choices in self._chosen:
            column = matrix[:, at]
            strange = ~(np.isin(column, np.array([_number(one) for one in choices])) | np.isnan(column))
            if strange.any():
                row = int(np.argmax(strange))
                sentence = f"{column[row]:g} is none of {', '.join(map(str, choices[:12]))}"
                raise self._wrong(self._features[at], row, sentence, "unknown_choice")
        if len(self._fill):
            matrix = np.hstack([matrix, np.broadcast_to(self._fill, (len(matrix), len(self._fill)))])
        return Table(self.columns, matrix if self._order is None else matrix[:, self._order])

    def _inside(self, matrix: NDArray[np.float64]) -> bool:
        """Say whether all cells are surely within their bounds; what is missing is not."""
        if self._unbounded and matrix.size <= SMALL:
            # A sum is finite only if every cell is; it may also overflow, and then the cells are looked at.
            return math.isfinite(sum(matrix.ravel().tolist()))
        inside = (matrix >= self._low) & (matrix <= self._high)
        return bool(np.count_nonzero(inside) == inside.size)

    def with_defaults(self, table: Table, rows: int) -> dict[str, NDArray[np.generic]]:
        """Return all columns by name, and with them the defaults that are no numbers."""
        inputs = dict(table.items())
        for one in self.others:
            shape = (rows, *(1 if length is None else length for length in one.shape))
            default: Any = (one.default or "") if one.kind == "string" else _number(one.default)
            inputs[one.name] = np.full(shape, default, dtype=object if one.kind == "string" else np.float64)
        return inputs

    def _refuse_outside(self, matrix: NDArray[np.float64]) -> None:
        gone = np.isnan(matrix)
        outside = ((matrix < self._low) | (matrix > self._high)) & ~gone
        forbidden = gone & np.array([not one.nullable for one in self._features])
        for bad in (forbidden, outside):
            if bad.any():
                row, at = (int(one) for one in np.argwhere(bad)[0])
                feature = self._features[at]
                if bad is forbidden:
                    raise self._wrong(feature, row, "null, but a value must be sent", "missing_value")
                span = f"[{self._low[at]:g}, {self._high[at]:g}]"
                raise self._wrong(feature, row, f"{matrix[row, at]:g} is outside of {span}", "out_of_range")

    def _wrong(self, feature: Feature, row: int, sentence: str, reason: str) -> InvalidError:
        row //= self._width
        return InvalidError(
            f"input '{feature.name}', row {row}: {sentence}", reason=reason, field=feature.name, row=row
        )


_KINDS = {"int": "integer", "bool": "boolean"}


def _named(signature: Signature, name: str) -> Feature:
    feature = signature.feature(name)
    if feature is None:  # the checker has looked
        raise KeyError(name)
    return feature


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _low(feature: Feature) -> float:
    least = {"bool": 0.0, "int": -EXACT}.get(feature.kind, -np.finfo(np.float64).max)
    return least if feature.minimum is None else max(least, feature.minimum)


def _high(feature: Feature) -> float:
    most = {"bool": 1.0, "int": EXACT}.get(feature.kind, np.finfo(np.float64).max)
    return most if feature.maximum is None else min(most, feature.maximum)
