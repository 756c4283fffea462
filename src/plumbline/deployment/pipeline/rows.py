"""Files of rows that a pipeline names: CSV with a header, or JSON lines, read into columns by a signature."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError, NotFoundError
from plumbline.deployment.core.gates import Evaluation
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Feature, Kind, Signature
from plumbline.deployment.pipeline.parts import Evaluated, Recent

_MISSING = frozenset({"", "NA", "NaN", "nan", "null", "None"})
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


def evaluation(path: Path, part: Evaluated, signature: Signature) -> Evaluation:
    """Read labelled rows. Columns that are no inputs are left out.

    Raises:
        NotFoundError: There is no such file.
        InvalidError: It has no such column, no row, or a cell that does not fit its input; the sentence names the line.
    """
    rows = list(islice(_read(path), part.rows))
    if not rows:
        raise InvalidError(f"{path} has no row", path=str(path))
    if part.label not in rows[0]:
        raise InvalidError(f"{path} has no column '{part.label}'; it has {', '.join(rows[0])}", path=str(path))
    inputs: dict[str, NDArray[np.generic]] = {}
    for feature in signature.inputs:
        if feature.name in rows[0]:
            values = [row.get(feature.name) for row in rows]
            inputs[feature.name] = _column(path, feature, [_cell(one, feature.kind) for one in values])
        elif feature.required:
            raise InvalidError(f"{path} has no column for input '{feature.name}'", path=str(path), field=feature.name)
    return Evaluation(inputs, _labels([row.get(part.label) for row in rows]), digest(path))


def recent(path: Path, part: Recent, signature: Signature) -> Arrays:
    """Read requests of today's callers, as they came: what does not fit stays, for the gates to see.

    Args:
        path: The file.
        part: How many rows.
        signature: Of the version that answered them: it says how a CSV's cells are meant.

    Raises:
        NotFoundError: There is no such file.
        InvalidError: It cannot be read.
    """
    rows = list(_read(path))[-part.rows :]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _sent(signature.feature(name), name, rows) for name in names}


def digest(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _read(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from _json_lines(path, stream) if path.suffix in (".jsonl", ".ndjson") else _csv(path, stream)
    except FileNotFoundError:
        raise NotFoundError(f"{path}: there is no such file", path=str(path)) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidError(f"{path} cannot be read: {error}", path=str(path)) from error


def _csv(path: Path, stream: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    reader = csv.DictReader(stream, restkey="", restval=None)
    for row in reader:
        if "" in row or None in row.values():
            raise InvalidError(
                f"{path}:{reader.line_num}: the row has another number of cells than the header", path=str(path)
            )
        yield row


def _json_lines(path: Path, stream: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(stream, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidError(f"{path}:{number}: is no JSON: {error}", path=str(path)) from error
        if not isinstance(row, dict):
            raise InvalidError(f"{path}:{number}: a request is a JSON object, one value per input", path=str(path))
        yield row


def _cell(text: Any, kind: Kind) -> Any:
    """Return a cell as its input means it; what cannot be meant so stays as it is."""
    if not isinstance(text, str):
        return text
    if text in _MISSING and kind != "string":
        return None
    if kind == "bool":
        lower = text.lower()
        return True if lower in _TRUE else False if lower in _FALSE else text
    if kind == "string":
        return text
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError:
        return text


def _column(path: Path, feature: Feature, values: list[Any]) -> NDArray[np.generic]:
    strange = [number for number, one in enumerate(values) if isinstance(one, str) and feature.kind != "string"]
    if strange:
        raise InvalidError(
            f"{path}:{strange[0] + 2}: '{values[strange[0]]}' is no {feature.kind}, which input '{feature.name}' is",
            path=str(path),
            field=feature.name,
        )
    return _array(values)


def _sent(feature: Feature | None, name: str, rows: list[Mapping[str, Any]]) -> NDArray[np.generic]:
    absent = feature.default if feature is not None else None
    values = [row.get(name, absent) for row in rows]
    return _array([_cell(one, feature.kind) for one in values] if feature is not None else values)


def _array(values: list[Any]) -> NDArray[np.generic]:
    """Return a column: numbers and booleans as such, with NaN where one is missing; everything else as objects."""
    if all(one is None or isinstance(one, int | float) for one in values):
        with_gaps = [np.nan if one is None else one for one in values]
        kinds = {type(one) for one in with_gaps}
        return np.asarray(with_gaps, dtype=None if len(kinds) == 1 else np.float64)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _labels(values: list[Any]) -> NDArray[np.generic]:
    """Return true answers: numbers if all are, else words; missing ones are NaN or None."""
    for kind in ("int", "float"):
        cells = [_cell(one, "int" if kind == "int" else "float") for one in values]
        if not any(isinstance(one, str) for one in cells):
            return _array(cells)
    return _array([None if one in _MISSING else one for one in values])
