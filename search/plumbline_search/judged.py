"""The judged queries of the evaluation, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "evaluation"
QUERIES = FOLDER / "queries.yml"
REGISTERS = ("complaint", "observation", "exception", "log", "lookup")
NONE = "none"

Half = Literal["tune", "test"]


class JudgedError(ValueError):
    """The judged queries cannot be used."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One query and the page that answers it.

    Args:
        query: What is asked.
        want: Id of the page; None for a distractor, for which there is no guide.
        register: complaint, observation, exception, log, or lookup (of a reference page, by its subject).
        half: `tune` if weights and thresholds may be chosen by it, `test` if not.
    """

    query: str
    want: str | None
    register: str
    half: Half


def load(path: Path = QUERIES) -> list[Judged]:
    """Read the judged queries. Odd ones of each (want, register) tune, even ones test.

    Raises:
        JudgedError: The file is missing, or an entry lacks something, names an unknown register, holds what is no text,
            or repeats a query.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JudgedError(f"{path}: cannot be read ({error.strerror}); the evaluation runs in a checkout") from None
    found: list[Judged] = []
    for entry in entries:
        found += _group(entry, path)
    seen: set[str] = set()
    for one in found:
        if one.query in seen:
            raise JudgedError(f"{path}: this query is given twice: {one.query[:60]!r}")
        seen.add(one.query)
    return found


def _group(entry: dict[str, Any], path: Path) -> list[Judged]:
    missing = [key for key in ("want", "register", "queries") if key not in entry]
    if missing:
        raise JudgedError(f"{path}: an entry lacks {', '.join(missing)}")
    if entry["register"] not in REGISTERS:
        raise JudgedError(f"{path}: register '{entry['register']}' is none of {', '.join(REGISTERS)}")
    wrong = next((query for query in entry["queries"] if not isinstance(query, str)), None)
    if wrong is not None:
        raise JudgedError(f"{path}: this query is no text: {wrong!r}; put it in quotes")
    want = None if entry["want"] == NONE else str(entry["want"])
    return [
        Judged(query.strip(), want, entry["register"], "test" if number % 2 else "tune")
        for number, query in enumerate(entry["queries"])
    ]
