"""What CSV files tell of a model: rows with labels, and samples of inputs."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.retraining.measures import performance, stability, stability_of_words

LEAST_ROWS = 200
"""Mature rows below which nothing is said of performance: an area under the curve of fewer moves by chance alone."""

MORE_MISSING = 0.1
"""Fraction of rows by which a feature may be missing more often than in training before that looks like a bug."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a source tells.

    Args:
        measures: By name.
        labels: Mature labelled rows since the training; None from a source that does not know.
        trained_at: Unix time of the training; None from a source that does not know.
        bugs: Signs that something is broken, each a sentence.
    """

    measures: dict[str, float]
    labels: int | None = None
    trained_at: float | None = None
    bugs: tuple[str, ...] = ()


def labelled(path: Path, *, now: float, trained_at: float, delay_s: float, window: int) -> Found:
    """Read predictions and what came true: columns `at`, `score`, `label` (empty while it is not known).

    Only rows of the version that serves (younger than its training) whose label is mature count.

    Args:
        path: A CSV file; `at` is Unix time or ISO 8601.
        now: Unix time.
        trained_at: Of the version that serves, Unix time.
        delay_s: Age at which a label is mature.
        window: Newest mature rows that performance is measured on.

    Raises:
        InvalidError: The file cannot be read, or a cell is no number; the sentence names the line.
    """
    rows: list[tuple[float, float, float]] = []
    latest: list[float] = []
    for line, row in _rows(path, ("at", "score", "label")):
        at = _moment(row["at"], f"{path}:{line}: at")
        if not trained_at <= at <= now:
            continue
        score = _number(row["score"], f"{path}:{line}: score")
        latest.append(score)
        if row["label"].strip() and now - at >= delay_s:
            rows.append((at, score, _number(row["label"], f"{path}:{line}: label")))
    rows.sort(key=lambda row: row[0])  # and no further: of one day's rows none is newer for its score
    table = np.asarray(rows[-window:], dtype=np.float64).reshape(-1, 3)
    table = table[np.isfinite(table).all(axis=1)]
    measures = performance(table[:, 1], table[:, 2]) if len(table) >= LEAST_ROWS else {}
    return Found(measures, len(rows), bugs=tuple(_odd(latest)))


def samples(training: Path, recent: Path, ignore: Sequence[str] = ()) -> Found:
    """Compare inputs: a `psi.<column>` for each column of the training sample.

    Args:
        training: What the version that serves was trained on.
        recent: What came lately.
        ignore: Columns that are no inputs, such as the label.

    Raises:
        InvalidError: A file cannot be read.
    """
    one, other = _columns(training), _columns(recent)
    measures, bugs = {}, []
    for name, old in one.items():
        if name in ignore:
            continue
        if name not in other:
            bugs.append(f"'{name}' has ceased to come: {recent.name} does not have it")
            continue
        before, after = _missing(old), _missing(other[name])
        if after > before + MORE_MISSING:
            bugs.append(f"'{name}' is missing in {after:.0%} of the recent rows, {before:.1%} in training")
        found = _drift(old, other[name])
        if found is not None:
            measures[f"psi.{name}"] = found
    return Found(measures, bugs=tuple(bugs))


def _drift(old: list[str], new: list[str]) -> float | None:
    one, other = [cell for cell in old if cell.strip()], [cell for cell in new if cell.strip()]
    try:
        numbers = [np.asarray([float(cell) for cell in each], dtype=np.float64) for each in (one, other)]
    except ValueError:
        return stability_of_words(one, other)
    return stability(*(each[np.isfinite(each)] for each in numbers))


def _missing(cells: list[str]) -> float:
    return sum(not cell.strip() or cell.strip().lower() == "nan" for cell in cells) / len(cells) if cells else 1.0


def _odd(scores: list[float]) -> Iterator[str]:
    wrong = sum(not math.isfinite(score) for score in scores)
    if wrong:
        yield f"{wrong:,} of {len(scores):,} answers are not finite"
    tail = scores[-LEAST_ROWS:]
    if len(tail) == LEAST_ROWS and len(set(tail)) == 1 and not wrong:
        yield f"the last {len(tail)} answers all are {tail[0]:g}"


def _columns(path: Path) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for _, row in _rows(path, ()):
        for name, cell in row.items():
            columns.setdefault(name, []).append(cell)
    if not columns:
        raise InvalidError(f"{path} has no rows", path=str(path))
    return columns


def _rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            lacking = [name for name in needed if name not in (reader.fieldnames or ())]
            if lacking:
                raise InvalidError(f"{path} has no column '{lacking[0]}': expected {', '.join(needed)}", path=str(path))
            for row in reader:
                row.pop(None, None)  # cells beyond the heading have the key None
                yield reader.line_num, row
    except OSError as error:
        raise InvalidError(f"{path}: {error.strerror}", path=str(path)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidError(f"{path}: {error}", path=str(path)) from error


def _number(text: str, where: str) -> float:
    try:
        return float(text) if text.strip() else math.nan
    except ValueError as error:
        raise InvalidError(f"{where} is '{text[:40]}', which is no number") from error


def _moment(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidError(f"{where} is '{text[:40]}': expected Unix time or 2026-11-23T10:00:00Z") from error
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
