"""One tensor of a request: its datatype, its names of columns, its cells; what is wrong with it is named."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.signature import Feature
from plumbline.deployment.serving import wire


def floats(cells: list[Any], field: str) -> NDArray[np.float64]:
    """Return cells as numbers; None is NaN.

    Raises:
        InvalidError: One is too large.
    """
    try:
        return np.array(cells, dtype=np.float64)
    except OverflowError as error:
        raise InvalidError(
            f"input '{field}': a number is too large for FP64", reason="out_of_range", field=field
        ) from error


def names_of(tensor: wire.Tensor) -> tuple[str, ...]:
    """Return the names of a matrix' columns.

    Raises:
        InvalidError: It has none, or not one for each column.
    """
    named = (tensor.parameters or {}).get("columns")
    if named is None:
        raise InvalidError(
            f"input '{tensor.name}' holds {tensor.shape[1]} columns without names: send each feature as an input of "
            "its own, or name them in parameters.columns; by place, columns could be swapped and nobody would notice",
            reason="unnamed_columns",
            field=tensor.name,
        )
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise InvalidError(
            f"input '{tensor.name}': parameters.columns is a list of names", reason="wrong_type", field=tensor.name
        )
    if len(named) != tensor.shape[1]:
        raise InvalidError(
            f"input '{tensor.name}' has {tensor.shape[1]} columns, but parameters.columns names {len(named)}",
            reason="wrong_shape",
            field=tensor.name,
            shape=tensor.shape,
        )
    columns = tuple(named)
    if len(set(columns)) != len(columns):
        twice = next(one for at, one in enumerate(columns) if one in columns[:at])
        raise InvalidError(f"column '{twice}' stands twice", reason="duplicate_field", field=twice)
    return columns


def kind_of(tensor: wire.Tensor) -> Any:
    """Return the family of a tensor's datatype.

    Raises:
        InvalidError: There is no such datatype.
    """
    kind = wire.FAMILIES.get(tensor.datatype)
    if kind is None:
        raise InvalidError(
            f"input '{tensor.name}': there is no datatype '{tensor.datatype[:40]}'; there are {listed(wire.FAMILIES)}",
            reason="wrong_type",
            field=tensor.name,
        )
    return kind


def alike(feature: Feature, kind: str) -> None:
    """Refuse a datatype that holds no numbers of a feature's kind.

    Raises:
        InvalidError: It does not.
    """
    if kind == "string" or (kind == "bool") != (feature.kind == "bool" and kind == "bool"):
        raise wrong_kind(feature, kind)


def texts(feature: Feature, kind: str, cells: list[Any], width: int = 1) -> NDArray[np.generic]:
    """Return cells as texts; a missing one is empty.

    Args:
        feature: Whose they are.
        kind: Family of the datatype they were sent as.
        cells: Flat.
        width: Per row.

    Raises:
        InvalidError: One is missing or no valid choice, or they are no texts.
    """
    if feature.shape and feature.kind != "string":
        raise InvalidError(
            f"input '{feature.name}' has shape {list(feature.shape)} per row: it cannot be one column of many",
            reason="wrong_shape",
            field=feature.name,
        )
    if kind != "string":
        raise wrong_kind(feature, kind)
    for at, cell in enumerate(cells):
        if cell is None or (feature.nullable and cell == ""):
            if not feature.nullable:
                raise InvalidError(
                    f"input '{feature.name}', row {at // width}: null, but a value must be sent",
                    reason="missing_value",
                    field=feature.name,
                    row=at // width,
                )
        elif feature.choices is not None and cell not in feature.choices:
            raise InvalidError(
                f"input '{feature.name}', row {at // width}: '{str(cell)[:80]}' is none of {listed(feature.choices)}",
                reason="unknown_choice",
                field=feature.name,
                row=at // width,
            )
    return np.array(["" if cell is None else cell for cell in cells], dtype=object)


def wrong_kind(feature: Feature, kind: str) -> InvalidError:
    """Return the refusal of a datatype."""
    return InvalidError(
        f"input '{feature.name}' is {feature.kind}, but was sent as {wire.NAMED.get(kind, kind)}",  # type: ignore[call-overload]
        reason="wrong_type",
        field=feature.name,
    )


def wrong_shape(tensor: wire.Tensor, feature: Feature) -> InvalidError:
    """Return the refusal of a shape."""
    wanted = ["n", *("any" if one is None else one for one in feature.shape)]
    return InvalidError(
        f"input '{tensor.name}' has shape {tensor.shape}, but expected [{', '.join(map(str, wanted))}]",
        reason="wrong_shape",
        field=tensor.name,
        shape=tensor.shape,
    )


def sized(tensor: wire.Tensor, cells: list[Any], size: int) -> list[Any]:
    """Return cells if there are as many as the shape says.

    Raises:
        InvalidError: There are not.
    """
    if len(cells) != size:
        raise InvalidError(
            f"input '{tensor.name}': data has {len(cells)} values, but shape {tensor.shape} asks for {size}",
            reason="wrong_shape",
            field=tensor.name,
            shape=tensor.shape,
        )
    return cells


def listed(names: Any) -> str:
    """Return the first names as text, and how many more there are."""
    names = [str(one) for one in names]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
