"""Tables of features as people keep them: JSON lines or CSV, with or without a key and a time in each row."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plumbline.evidence import UnavailableError

_TAIL_BYTES = 8 << 20
KEY, AT = "key", "at"
"""Columns that are no features: whom a row is about (a request, a customer), and when, Unix time or ISO 8601."""

Cell = float | str | bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Args:
        values: By feature; None is missing.
        key: Whom it is about; None: it does not say.
        at: Unix time in seconds; None: it does not say.
    """

    values: Mapping[str, Cell]
    key: str | None = None
    at: float | None = None


def rows(path: str, most: int) -> list[Row]:
    """Return the last rows of a file, `most` at most; of a large file the last 8 MiB are read.

    Raises:
        UnavailableError: It cannot be read, or holds something else.
    """
    file = Path(path)
    try:
        found = [_row(one) for one in (_table(file) if file.suffix.lower() == ".csv" else _lines(file))]
    except OSError as error:
        raise UnavailableError("unreachable", f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, csv.Error) as error:
        sentence = f"{path} holds no rows of features (a JSON object a line, or CSV with a header): {error}"
        raise UnavailableError("malformed", sentence) from None
    return found[-most:]


def _lines(file: Path) -> Iterator[Mapping[str, Any]]:
    *whole, last = _tail(file)
    for line in whole:
        if line.strip():
            yield json.loads(line)
    if last.strip().endswith("}"):  # else it is being written
        yield json.loads(last)


def _table(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open(encoding="utf-8") as opened:
        head = next(csv.reader([opened.readline()]), [])
    lines = _tail(file)
    body = lines[1:] if file.stat().st_size <= _TAIL_BYTES else lines
    for cells in csv.reader(body):
        if len(cells) == len(head):  # else the last one is being written
            yield dict(zip(head, map(_number, cells), strict=True))


def _tail(file: Path) -> list[str]:
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(max(0, size - _TAIL_BYTES), os.SEEK_SET)
        lines = opened.read().decode("utf-8", "replace").split("\n")
    return lines[1:] if size > _TAIL_BYTES else lines


def _row(told: Mapping[str, Any]) -> Row:
    inner = told.get("features")
    values = inner if isinstance(inner, Mapping) else told
    key, at = told.get(KEY), told.get(AT)
    cells = {name: _cell(cell) for name, cell in values.items() if name not in (KEY, AT)}
    return Row(cells, None if key in (None, "") else str(key), None if at in (None, "") else _moment(at))


def _cell(cell: Any) -> Cell:
    if cell is None or cell == "" or cell != cell:
        return None
    if isinstance(cell, bool | str):
        return cell
    return float(cell)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _moment(told: Any) -> float:
    if isinstance(told, int | float):
        return float(told)
    found = datetime.fromisoformat(told)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
