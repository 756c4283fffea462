"""Are these the inputs that the signature asks for? Columns go by name; what is wrong is named with its field and row.

Numbers of all scalar features become one matrix and are checked at once: a request that is right costs a few
microseconds, and only a wrong one is looked at cell by cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Feature, Signature
from plumbline.deployment.serving import sent, wire
from plumbline.deployment.serving.columns import Columns

PLANS = 64  # orders of columns that are remembered


class Checker:
    """Checks requests against one signature.

    Args:
        signature: The contract.
        max_rows: Rows that one request may have.
    """

    def __init__(self, signature: Signature, max_rows: int) -> None:
        self._signature = signature
        self._features = {one.name: one for one in signature.inputs}
        self._order = tuple(self._features)
        self._numbers = {one.name for one in signature.inputs if one.kind != "string" and not one.shape}
        self.max_rows = max_rows
        self._plans: dict[tuple[tuple[str, ...], int], Columns] = {}

    def inputs(self, request: wire.Request) -> tuple[Arrays, int]:
        """Return the model's inputs, defaults filled in, and how many rows there are.

        Raises:
            InvalidError: With `reason`, and `field` and `row` where there is one.
        """
        tensors = request.inputs
        if len(tensors) == 1 and len(tensors[0].shape) == 2 and self._positional(tensors[0]):
            return self._matrix(tensors[0])
        return self._named(tensors)

    def _positional(self, tensor: wire.Tensor) -> bool:
        """Say whether a tensor holds several features side by side."""
        if tensor.parameters and "columns" in tensor.parameters:
            return True
        return tensor.name not in self._features and tensor.shape[1] != 1

    def _matrix(self, tensor: wire.Tensor) -> tuple[Arrays, int]:
        rows = self._rows(tensor)
        kind = sent.kind_of(tensor)
        width = tensor.shape[1]
        columns = self._columns(tensor, width)
        cells = sent.sized(tensor, wire.cells_of(tensor, kind, width), rows * width)
        if kind == "string" or ((columns, width) not in self._plans and not self._numbers.issuperset(columns)):
            return self._together({name: (kind, cells[at::width]) for at, name in enumerate(columns)}, rows)
        matrix = sent.floats(cells, tensor.name).reshape(rows, width)
        plan = self._plan(columns, width)
        if plan.others:
            return plan.with_defaults(plan.checked(matrix), rows), rows
        return plan.checked(matrix), rows

    def _columns(self, tensor: wire.Tensor, width: int) -> tuple[str, ...]:
        """Return the names of a matrix' columns; those that came before are known to be right."""
        named = (tensor.parameters or {}).get("columns")
        if isinstance(named, list) and len(named) == width:
            columns = tuple(named)
            try:
                if (columns, width) in self._plans:
                    return columns
            except TypeError:  # lists within: refused below
                pass
        return sent.names_of(tensor)

    def _named(self, tensors: list[wire.Tensor]) -> tuple[Arrays, int]:
        if not tensors:
            raise InvalidError("the request has no inputs", reason="missing_field", field=self._order[0])
        rows = self._rows(tensors[0])
        scalars: dict[str, tuple[str, list[Any]]] = {}
        shaped: dict[str, NDArray[np.generic]] = {}
        for tensor in tensors:
            feature = self._known(tensor.name)
            if tensor.name in scalars or tensor.name in shaped:
                raise InvalidError(f"input '{tensor.name}' is sent twice", reason="duplicate_field", field=tensor.name)
            if self._rows(tensor) != rows:
                raise InvalidError(
                    f"input '{tensor.name}' has {tensor.shape[0]} rows, but '{tensors[0].name}' has {rows}",
                    reason="wrong_shape",
                    field=tensor.name,
                    shape=tensor.shape,
                )
            if feature.shape:
                shaped[tensor.name] = self._shaped(tensor, feature)
                continue
            if len(tensor.shape) > 2 or (len(tensor.shape) == 2 and tensor.shape[1] != 1):
                raise sent.wrong_shape(tensor, feature)
            kind = sent.kind_of(tensor)
            scalars[tensor.name] = (kind, sent.sized(tensor, wire.cells_of(tensor, kind, 1), rows))
        return self._together(scalars, rows, shaped)

    def _together(
        self,
        scalars: Mapping[str, tuple[str, list[Any]]],
        rows: int,
        shaped: dict[str, NDArray[np.generic]] | None = None,
    ) -> tuple[Arrays, int]:
        """Put numbers into one matrix and the rest beside it."""
        numbers: list[str] = []
        rest: dict[str, NDArray[np.generic]] = shaped or {}
        for name, (kind, cells) in scalars.items():
            feature = self._known(name)
            if name in self._numbers:
                sent.alike(feature, kind)
                numbers.append(name)
            else:
                rest[name] = sent.texts(feature, kind, cells)
        matrix = np.empty((rows, len(numbers)))
        for at, name in enumerate(numbers):
            matrix[:, at] = sent.floats(scalars[name][1], name)
        plan = self._plan((*numbers, *rest), len(numbers))
        table = plan.checked(matrix)
        if not rest and not plan.others:
            return table, rows
        return {**plan.with_defaults(table, rows), **rest}, rows

    def numbers(self, columns: tuple[str, ...]) -> Columns | None:
        """Return how to check a matrix of these columns; None if some of them are no numbers, or defaults are none."""
        if not self._numbers.issuperset(columns):
            return None
        plan = self._plan(columns, len(columns))
        return None if plan.others else plan

    def _plan(self, names: tuple[str, ...], numbers: int) -> Columns:
        """Return how to check columns in this order; `names[:numbers]` are in the matrix."""
        plan = self._plans.get((names, numbers))
        if plan is None:
            for name in names:
                self._known(name)
            plan = Columns(self._signature, names[:numbers], names)
            if len(self._plans) < PLANS:
                self._plans[names, numbers] = plan
        return plan

    def _known(self, name: str) -> Feature:
        feature = self._features.get(name)
        if feature is None:
            from difflib import get_close_matches

            near = get_close_matches(name, self._order, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f": there are {sent.listed(self._order)}"
            raise InvalidError(f"the model has no input '{name[:80]}'{hint}", reason="unknown_field", field=name[:80])
        return feature

    def _rows(self, tensor: wire.Tensor) -> int:
        shape = tensor.shape
        if not shape or any(length < 0 for length in shape):
            raise InvalidError(
                f"input '{tensor.name}': shape {shape} has no rows",
                reason="wrong_shape",
                field=tensor.name,
                shape=shape,
            )
        if shape[0] == 0:
            raise InvalidError(f"input '{tensor.name}' has no rows", reason="empty_batch", field=tensor.name)
        if shape[0] > self.max_rows:
            raise InvalidError(
                f"input '{tensor.name}' has {shape[0]} rows; one request has at most {self.max_rows}",
                reason="too_many_rows",
                field=tensor.name,
                limit=self.max_rows,
            )
        return shape[0]

    def _shaped(self, tensor: wire.Tensor, feature: Feature) -> NDArray[np.generic]:
        inner = tensor.shape[1:]
        fits = len(inner) == len(feature.shape) and all(
            want is None or want == got for want, got in zip(feature.shape, inner, strict=True)
        )
        if not fits:
            raise sent.wrong_shape(tensor, feature)
        kind = sent.kind_of(tensor)
        width = int(np.prod(inner))
        cells = sent.sized(tensor, wire.cells_of(tensor, kind, width), tensor.shape[0] * width)
        if feature.kind == "string":
            return sent.texts(feature, kind, cells, width).reshape(tensor.shape)
        sent.alike(feature, kind)
        plan = Columns(Signature((feature,), self._signature.outputs), (feature.name,), (feature.name,), width)
        return plan.checked(sent.floats(cells, tensor.name).reshape(-1, 1)).matrix.reshape(tensor.shape)
