"""Open Inference Protocol v2 as JSON: what a request is, how an answer is written.

Source: github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md`.
"""

from __future__ import annotations

import re
import types
from typing import Any

import msgspec
import numpy as np

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Feature, Kind, Output, Signature

FAMILIES: dict[str, Kind] = {
    "BOOL": "bool",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"), "int"),
    **dict.fromkeys(("FP16", "FP32", "FP64"), "float"),
    "BYTES": "string",
}
NAMED: dict[Kind, str] = {"float": "FP64", "int": "INT64", "bool": "BOOL", "string": "BYTES"}
"""What metadata and answers call a family; callers may send any of it."""
EXTENSIONS = ["model_repository"]
_PLACE = re.compile(r"`\$((?:\[\d+\])+)`")


class Tensor(msgspec.Struct):
    """One input; its data are read later, when the type is known."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw
    parameters: dict[str, Any] | None = None


class Wanted(msgspec.Struct):
    """One output that the caller asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Request(msgspec.Struct):
    """An inference request."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[Wanted] | None = None
    parameters: dict[str, Any] | None = None


class MalformedError(InvalidError):
    """A body that is no request at all."""

    reason = "malformed"
    status = 400


_request = msgspec.json.Decoder(Request)
_encode = msgspec.json.Encoder().encode
_DATATYPES: dict[np.dtype[Any], str] = {
    np.dtype(np.float32): "FP32",
    np.dtype(np.float64): "FP64",
    np.dtype(np.int64): "INT64",
}
_LISTS: dict[Kind, Any] = {
    "float": list[float | None],
    "int": list[int | None],
    "bool": list[bool | None],
    "string": list[str | None],
}
_flat: dict[Kind, Any] = {kind: msgspec.json.Decoder(list_) for kind, list_ in _LISTS.items()}
_rows: dict[Kind, Any] = {
    kind: msgspec.json.Decoder(types.GenericAlias(list, (list_,))) for kind, list_ in _LISTS.items()
}
_any = msgspec.json.Decoder(list[Any])


def request_of(body: bytes) -> Request:
    """Read a request.

    Raises:
        MalformedError: It is no JSON (`malformed`, 400), or not of the protocol's form; the sentence names the place.
    """
    try:
        return _request.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the body is no inference request: {error}") from error


def cells_of(tensor: Tensor, kind: Kind, width: int) -> list[Any]:
    """Return a tensor's values, flat, in row-major order; null stays None.

    Args:
        tensor: Of a request.
        kind: Family of its datatype.
        width: Values per row, to name the row of a wrong one.

    Raises:
        InvalidError: A value of another type (`wrong_type`), or lists that do not have the shape (`wrong_shape`).
    """
    raw = bytes(tensor.data)
    nested = raw[1:].lstrip()[:1] == b"["
    try:
        if not nested:
            flat: list[Any] = _flat[kind].decode(raw)
            return flat
        if len(tensor.shape) == 2:
            lists = _rows[kind].decode(raw)
            if len(lists) == tensor.shape[0] and all(len(row) == tensor.shape[1] for row in lists):
                return [cell for row in lists for cell in row]
            raise _misshapen(tensor)
        return _deep(tensor, kind, _any.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _mistyped(tensor, str(error), width) from error


def _deep(tensor: Tensor, kind: Kind, lists: list[Any]) -> list[Any]:
    if not tensor.shape or len(lists) != tensor.shape[0]:
        raise _misshapen(tensor)
    level: list[Any] = lists
    for length in tensor.shape[1:]:
        if not all(isinstance(one, list) and len(one) == length for one in level):
            raise _misshapen(tensor)
        level = [cell for one in level for cell in one]
    found: list[Any] = msgspec.convert(level, _LISTS[kind])
    return found


def _misshapen(tensor: Tensor) -> InvalidError:
    return InvalidError(
        f"input '{tensor.name}': the lists in data do not have the shape {tensor.shape}",
        reason="wrong_shape",
        field=tensor.name,
        shape=tensor.shape,
    )


def _mistyped(tensor: Tensor, sentence: str, width: int) -> InvalidError:
    place = _PLACE.search(sentence)
    where = [int(one) for one in re.findall(r"\d+", place[1])] if place else []
    row = None if not where else where[0] if len(where) > 1 else where[0] // max(width, 1)
    at = "" if row is None else f", row {row}"
    what = sentence.partition(" - at ")[0]
    return InvalidError(
        f"input '{tensor.name}'{at}: {what}, but its datatype is {tensor.datatype}",
        reason="wrong_type",
        field=tensor.name,
        row=row,
    )


def answer(
    model: str, version: str, id_: str | None, outputs: Arrays, names: tuple[str, ...], kinds: dict[str, Kind]
) -> bytes:
    """Return the body of an inference response; all numbers are finite (`finite.finite`)."""
    tensors = []
    for name in names:
        array = outputs[name]
        datatype = _DATATYPES.get(array.dtype) or _datatype(array.dtype, kinds[name])
        tensors.append({"name": name, "shape": array.shape, "datatype": datatype, "data": array.ravel().tolist()})
    written: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": tensors}
    if id_ is not None:
        written["id"] = id_
    return _encode(written)


def _datatype(dtype: np.dtype[Any], kind: Kind) -> str:
    if dtype.kind == "f":
        return f"FP{8 * dtype.itemsize}"
    if dtype.kind in "iu":
        return f"{'INT' if dtype.kind == 'i' else 'UINT'}{8 * dtype.itemsize}"
    return NAMED[kind]


def encoded(value: Any) -> bytes:
    """Return any other body as JSON."""
    return _encode(value)


def metadata(model: str, versions: list[str], signature: Signature) -> dict[str, Any]:
    """Return a model's metadata; what the protocol has no word for stands in each tensor's `parameters`."""
    return {
        "name": model,
        "versions": versions,
        "platform": "plumbline",
        "inputs": [_described(one) for one in signature.inputs],
        "outputs": [_described(one) for one in signature.outputs],
    }


def _described(one: Feature | Output) -> dict[str, Any]:
    further = {
        key: value
        for key, value in msgspec.to_builtins(one).items()
        if key not in ("name", "kind", "shape") and value is not None
    }
    shape = [-1, *(-1 if length is None else length for length in one.shape)]
    return {"name": one.name, "datatype": NAMED[one.kind], "shape": shape, "parameters": further}
