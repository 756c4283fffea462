"""One column of a request: its values checked against one feature, and turned into the array a model takes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.signature import Feature, Kind, Scalar

ABSENT: Final = object()
"""Stands where a row does not name the feature at all: the default applies. A null that was sent is not absent."""

DTYPES: dict[Kind, Any] = {"float": np.float64, "int": np.int64, "bool": np.bool_, "string": object}
_EXACT_INT = 2.0**63
_SHOWN = 5


def column(feature: Feature, values: Any) -> NDArray[np.generic]:
    """Return a column that its feature allows, `(n_rows, *shape)`.

    Raises:
        InvalidError: With `field` and `row`.
    """
    array = _shaped(feature, _array(feature, values))
    if array.dtype == object or array.dtype.kind in "US":
        array, missing = _objects(feature, array)
    else:
        array, missing = _typed(feature, array)
    if missing.any() and not feature.nullable:
        _refuse(feature, missing, "is missing, and the model does not take missing values there")
    _within(feature, array, missing)
    return array


def is_missing(value: Any) -> bool:
    """Return whether a value stands for none: None, NaN, pandas' NA and NaT; an empty string is a string."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _array(feature: Feature, values: Any) -> NDArray[np.generic]:
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, np.ndarray):
        return values
    if feature.shape:
        blank = np.full([length or 1 for length in feature.shape], feature.default, dtype=object).tolist()
        rows = [blank if one is ABSENT else one for one in values]
        if len({np.shape(one) if isinstance(one, np.ndarray) else _shape(one) for one in rows}) > 1:
            raise InvalidError(f"input '{feature.name}' has rows of different shapes", field=feature.name, row=None)
        return np.asarray(rows, dtype=object)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _shape(value: Any) -> tuple[int, ...]:
    return (len(value), *_shape(value[0])) if isinstance(value, list | tuple) and value else ()


def _shaped(feature: Feature, array: NDArray[np.generic]) -> NDArray[np.generic]:
    if not feature.shape and array.ndim == 1:
        if array.dtype == object and isinstance(array[0], list | tuple):
            array = np.array([_single(feature, row, one) for row, one in enumerate(array)], dtype=object)
        return array
    wanted = feature.shape or (1,)
    got = array.shape[1:]
    if len(got) != len(wanted) or any(w is not None and w != g for w, g in zip(wanted, got, strict=True)):
        shape = f"[{', '.join('any' if one is None else str(one) for one in feature.shape)}]"
        raise InvalidError(
            f"input '{feature.name}' has shape {list(got)} per row, and the model takes {shape}",
            field=feature.name,
            row=None,
            shape=list(got),
        )
    return array if feature.shape else array.reshape(len(array))


def _single(feature: Feature, row: int, value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) == 1:
        return value[0]
    raise InvalidError(
        f"input '{feature.name}' takes one value per row, and row {row} has "
        f"{len(value) if isinstance(value, list | tuple) else 'no list, where others have one'}",
        field=feature.name,
        row=row,
    )


def _typed(feature: Feature, array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Numbers and booleans that came as an array: checked whole."""
    family = {"f": "float", "i": "int", "u": "int", "b": "bool"}.get(array.dtype.kind)
    missing = np.isnan(array) if family == "float" else np.zeros(array.shape, dtype=np.bool_)
    wholes = family == "float" and feature.kind in ("int", "bool") and (feature.kind == "int" or missing.any())
    if not (family == feature.kind or (family == "int" and feature.kind == "float") or wholes):
        raise InvalidError(
            f"input '{feature.name}' is {array.dtype}, and the model takes {feature.kind}", field=feature.name, row=None
        )
    if wholes:
        bad = ~missing & (array != np.floor(np.where(missing, 0, array)))
        if feature.kind == "bool":
            bad = ~missing & (array != 0) & (array != 1)
        _refuse(feature, bad, f"is not {'an integer' if feature.kind == 'int' else 'a boolean'}")
    return array.astype(np.float64 if missing.any() else DTYPES[feature.kind]), missing


def _objects(feature: Feature, array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values that came one by one, as JSON carries them."""
    flat = [feature.default if one is ABSENT else one for one in array.ravel().tolist()]
    gone = np.fromiter((is_missing(one) for one in flat), dtype=np.bool_, count=len(flat))
    missing = gone.reshape(array.shape)
    wrong = np.fromiter(
        (not (lost or _fits(feature.kind, one)) for one, lost in zip(flat, gone, strict=True)),
        dtype=np.bool_,
        count=len(flat),
    ).reshape(array.shape)
    if wrong.any():
        sample = flat[int(np.argmax(wrong.ravel()))]
        _refuse(feature, wrong, f"is {_described(sample)}, and the model takes {feature.kind}")
    if feature.kind == "string":
        filled = np.empty(len(flat), dtype=object)
        filled[:] = ["" if lost else one for one, lost in zip(flat, gone, strict=True)]
        return filled.reshape(array.shape), missing
    dtype = np.float64 if gone.any() else DTYPES[feature.kind]
    numbers = [np.nan if lost else one for one, lost in zip(flat, gone, strict=True)]
    return np.asarray(numbers, dtype=dtype).reshape(array.shape), missing


def _fits(kind: Kind, value: Any) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if isinstance(value, bool | np.bool_):
        return kind == "bool"
    if isinstance(value, int | np.integer):
        return kind == "float" or (kind == "int" and bool(-_EXACT_INT <= value < _EXACT_INT))
    if isinstance(value, float | np.floating):
        number = float(value)
        return kind == "float" or (kind == "int" and number.is_integer() and abs(number) < _EXACT_INT)
    return False


def _described(value: Any) -> str:
    shown = repr(value)
    return f"{shown if len(shown) <= 40 else shown[:37] + '...'} ({type(value).__name__})"


def _within(feature: Feature, array: NDArray[Any], missing: NDArray[np.bool_]) -> None:
    if array.dtype.kind == "f":
        _refuse(feature, np.isinf(array), "is infinite")
    if array.dtype.kind in "fi":
        with np.errstate(invalid="ignore"):
            if feature.minimum is not None:
                _refuse(feature, array < feature.minimum, f"is below its minimum {feature.minimum:g}", array)
            if feature.maximum is not None:
                _refuse(feature, array > feature.maximum, f"is above its maximum {feature.maximum:g}", array)
    if feature.choices is not None:
        allowed = set(feature.choices)
        unknown = np.array([one not in allowed for one in array.ravel().tolist()]).reshape(array.shape) & ~missing
        _refuse(feature, unknown, f"is none of {_listed(feature.choices)}", array)


def _listed(choices: tuple[Scalar, ...]) -> str:
    shown = ", ".join(repr(one) for one in choices[:_SHOWN])
    return shown if len(choices) <= _SHOWN else f"{shown} and {len(choices) - _SHOWN} more"


def _refuse(feature: Feature, bad: NDArray[np.bool_], why: str, values: NDArray[Any] | None = None) -> None:
    if not bad.any():
        return
    place = np.argwhere(bad)[0]
    shown = "" if values is None else f" ({values[tuple(place)]!s:.40})"
    raise InvalidError(
        f"input '{feature.name}', row {int(place[0])}{shown} {why}",
        field=feature.name,
        row=int(place[0]),
        rows=int(bad.reshape(len(bad), -1).any(axis=1).sum()),
    )
