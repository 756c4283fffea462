"""The reference table: which diagnostic can judge a target that names only this or that."""

from __future__ import annotations

from collections.abc import Iterable

from plumbline.diagnosis.catalogue import Diagnostic
from plumbline.diagnosis.declare import Judge

COLUMNS = ("url", "pid", "admin", "metrics", "cgroup")
BESIDES = "fanout"
"""A field that is of use only beside a `url`: it says what to send there."""


def needs_table(diagnostics: Iterable[Diagnostic]) -> str:
    """Return one row per diagnostic as Markdown; a field that is enough by itself is marked, or that and `fanout`.

    Other fields, and fields that are enough only together, stand in the last column.

    Args:
        diagnostics: As the catalogue lists them; one that cannot be loaded has no row.
    """
    rows = [
        "| Diagnostic | " + " | ".join(f"`{name}`" for name in COLUMNS) + " | nothing: this machine | or |",
        "|---|" + ":-:|" * (len(COLUMNS) + 1) + "---|",
    ]
    for one in sorted(diagnostics, key=lambda one: str(one.id)):
        if one.judge is not None:
            marks = [_mark(one.judge, name) for name in COLUMNS]
            marks.append("yes" if enough(one.judge, set()) else "")
            marks.append(_others(one.judge))
            rows.append(f"| `{one.id}` | {' | '.join(marks)} |")
    return "\n".join(rows) + "\n"


def _mark(judge: Judge, name: str) -> str:
    if enough(judge, {name}):
        return "yes"
    return f"with `{BESIDES}`" if enough(judge, {name, BESIDES}) else ""


def _others(judge: Judge) -> str:
    """Return the smallest sets of fields that are enough and have no column: `golden` + `url`; `artefact`."""
    known = {source.needs for need in judge.needs for source in need.evidence.sources}
    sets = {one for one in known if BESIDES not in one and enough(judge, set(one))}
    least = [one for one in sets if not any(other < one for other in sets)]
    shown = sorted(sorted(one) for one in least if len(one) > 1 or not one <= set(COLUMNS))
    return "; ".join(" + ".join(f"`{name}`" for name in one) for one in shown if one)


def enough(judge: Judge, named: set[str]) -> bool:
    """Tell whether a target that names only these fields gives a diagnostic what it cannot do without.

    A field counts only if something is read from it: what needs nothing is the last column's.
    """
    had = [
        any(source.needs <= named and (source.needs or not named) for source in need.evidence.sources)
        for need in judge.needs
    ]
    required = [found for found, need in zip(had, judge.needs, strict=True) if not need.optional]
    return all(required) and any(had)
