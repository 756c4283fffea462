"""Ids are append-only: a retired one stays retired, and a published one does not vanish."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.catalogue import Catalogue, ProblemId
from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint, hint
from plumbline.handbook.load import RETIRED

PUBLISHED = "kb/published.txt"


def check(view: View) -> Iterator[Complaint]:
    """Yield retired ids that are used again, successors that do not exist, and published ids that are gone."""
    for name, entry in view.handbook.retired.items():
        for kind, found in (("guide", view.guides), ("diagnostic", view.diagnostics), ("problem record", view.records)):
            if name in found:
                said = f"id '{name}' is retired, but {view.source(found[name])} uses it again as a {kind}"
                yield view.complain(RETIRED, (name,), said)
        if entry.successor and entry.successor not in view.guides and entry.successor not in view.handbook.retired:
            said = view.missing("successor", entry.successor, view.guides)
            yield view.complain(RETIRED, (name, "successor"), said)
    for line, name in published(view.handbook.catalogue):
        if name not in view.guides and name not in view.handbook.retired:
            said = f"published id '{name}' is gone: enter it in {RETIRED} with its successor or the reason"
            yield Complaint(PUBLISHED, line, f"{said}{hint(name, view.guides)}")


def published(catalogue: Catalogue) -> list[tuple[int, str]]:
    """Return (line, id) of every id that was ever published; `plumb docs` appends to the file, nobody takes away."""
    path = catalogue.root / PUBLISHED
    rows = path.read_text("utf-8").split("\n") if path.is_file() else []
    return [(line, row.strip()) for line, row in enumerate(rows, 1) if row.strip() and not row.startswith("#")]


def with_new(catalogue: Catalogue) -> str:
    """Return what the file of published ids should say: what it says, and the ids that are new, sorted."""
    known = {name for _, name in published(catalogue)} | {str(name) for name, _ in _guides(catalogue)}
    head = "# Every id that was ever published, written by `plumb docs`. An id that goes is entered in retired.yml.\n"
    return head + "".join(f"{name}\n" for name in sorted(known))


def _guides(catalogue: Catalogue) -> list[tuple[ProblemId, object]]:
    return [(name, path) for name, path in catalogue.guides()]
