"""Requests of a form that came before: the same columns as numbers. They are read in one go, not tensor by tensor.

A form is learnt from a request that passed `checks.Checker`, and only what a form fixes is taken as known: names, order
and datatypes. Shapes, lengths, types and ranges of the values are looked at every time. Whatever is not as it was goes
the long way, from the beginning: what is refused, and in which words, is decided there alone.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.model import Arrays
from plumbline.deployment.serving import wire
from plumbline.deployment.serving.checks import Checker
from plumbline.deployment.serving.columns import Columns

MOST = 256  # forms that are remembered
LONGEST = 32 << 10  # bytes of parameters that are remembered: together at most 8 MiB per version
_ABSENT = msgspec.Raw()
_TYPES: dict[str, tuple[type, ...]] = {
    "float": (float, int, type(None)),
    "int": (int, type(None)),
    "bool": (bool, type(None)),
}
_Cells = list[bool | int | float | None]


class Tensor(msgspec.Struct, gc=False):
    """An input as `wire.Tensor`, its parameters unread."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw
    parameters: msgspec.Raw = _ABSENT


class Request(msgspec.Struct, gc=False):
    """A request as `wire.Request`."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[wire.Wanted] | None = None
    parameters: dict[str, Any] | None = None


_request = msgspec.json.Decoder(Request).decode
_flat = msgspec.json.Decoder(list[float | None]).decode
_lists = msgspec.json.Decoder(list[list[float | None]]).decode
_mixed = msgspec.json.Decoder(list[_Cells]).decode


def request_of(body: bytes) -> Request | wire.Request:
    """Read a request.

    Raises:
        MalformedError: As `wire.request_of`.
    """
    try:
        return _request(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return wire.request_of(body)


class Forms:
    """Reads and checks the requests of one version.

    Args:
        checker: The long way.
    """

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._max_rows = checker.max_rows
        self._matrices: dict[bytes, tuple[Columns, int]] = {}
        self._named: dict[tuple[str, ...], tuple[Columns, list[tuple[type, ...]] | None]] = {}

    def inputs(self, request: Request | wire.Request, body: bytes) -> tuple[Arrays, int]:
        """Return the model's inputs, defaults filled in, and how many rows there are.

        Args:
            request: As `request_of` read it.
            body: What it was read from.

        Raises:
            MalformedError: Parameters of a tensor are no object.
            InvalidError: See `Checker.inputs`.
        """
        if isinstance(request, wire.Request):
            return self._checker.inputs(request)
        try:
            found = self._matrix(request.inputs[0]) if len(request.inputs) == 1 else None
            found = found or self._separate(request.inputs)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError):
            found = None
        if found is not None:
            plan, matrix = found
            return plan.checked(matrix), len(matrix)
        whole = wire.request_of(body)
        inputs = self._checker.inputs(whole)
        self._learn(request, whole)
        return inputs

    def _matrix(self, tensor: Tensor) -> tuple[Columns, NDArray[np.float64]] | None:
        """Return the cells of a matrix that names its columns, and how to check them."""
        known = self._matrices.get(bytes(tensor.parameters)) if tensor.parameters is not _ABSENT else None
        if known is None or wire.FAMILIES.get(tensor.datatype) != "float":
            return None
        plan, width = known
        shape = tensor.shape
        if len(shape) != 2 or shape[1] != width or not 0 < shape[0] <= self._max_rows:
            return None
        data = bytes(tensor.data)
        if data.startswith(b"[["):
            lists = _lists(data)
            fits = len(lists) == shape[0] and all(len(row) == width for row in lists)
            return (plan, np.array(lists, dtype=np.float64)) if fits else None
        cells = _flat(data)
        return (plan, np.array(cells, dtype=np.float64).reshape(shape)) if len(cells) == shape[0] * width else None

    def _separate(self, tensors: list[Tensor]) -> tuple[Columns, NDArray[np.float64]] | None:
        """Return the cells of tensors with one feature each, and how to check them."""
        known = self._named.get((*[one.name for one in tensors], *[one.datatype for one in tensors]))
        if known is None or [one.parameters for one in tensors].count(_ABSENT) != len(tensors):
            return None
        shape = tensors[0].shape
        if not 1 <= len(shape) <= 2 or shape[1:] not in ([], [1]) or not 0 < shape[0] <= self._max_rows:
            return None
        if [one.shape for one in tensors].count(shape) != len(tensors):
            return None
        plan, types = known
        data = b"[%b]" % b",".join([one.data for one in tensors])
        lists: list[Any] = _lists(data) if types is None else _mixed(data)
        if {*map(len, lists)} != {shape[0]} or not _typed(lists, types):
            return None
        return plan, np.array(lists, dtype=np.float64).T

    def _learn(self, request: Request, whole: wire.Request) -> None:
        """Remember the form of a request that was found right, if it holds numbers only."""
        tensor = whole.inputs[0]
        columns = (tensor.parameters or {}).get("columns") if len(whole.inputs) == 1 else None
        if columns is not None and len(tensor.shape) == 2:
            plan = self._checker.numbers(tuple(columns))
            if plan is not None and len(bytes(request.inputs[0].parameters)) <= LONGEST:
                _keep(self._matrices, bytes(request.inputs[0].parameters), (plan, len(columns)))
            return
        names = tuple(one.name for one in whole.inputs)
        plan = self._checker.numbers(names)
        if plan is not None:
            types = [_TYPES[wire.FAMILIES[one.datatype]] for one in whole.inputs]
            plain = all(float in one for one in types)
            key = (*names, *(one.datatype for one in whole.inputs))
            _keep(self._named, key, (plan, None if plain else types))


def _typed(lists: list[list[Any]], types: list[tuple[type, ...]] | None) -> bool:
    return types is None or all(
        type(cell) in allowed for cells, allowed in zip(lists, types, strict=True) for cell in cells
    )


def _keep(forms: dict[Any, Any], key: Any, value: Any) -> None:
    if len(forms) >= MOST:
        forms.clear()  # whoever sends ever new forms must not shut out the others' for good
    forms[key] = value
