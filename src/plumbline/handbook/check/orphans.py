"""Nothing stands alone: diagnostics, records, faults and proofs belong to a guide, and a guide has all four files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from plumbline.catalogue import ProblemId
from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint, hint


def check(view: View) -> Iterator[Complaint]:
    """Yield orphans and gaps."""
    cited = _cited(view)
    for name, path in view.diagnostics.items():
        if name not in cited:
            own = (
                f"; {view.source(view.guides[name])} could list it" if name in view.guides else hint(name, view.guides)
            )
            yield Complaint(view.source(path), 1, f"diagnostic '{name}' is cited by no guide{own}")
    for kind, found in (("problem record", view.records), ("fault", view.faults), ("proof record", view.proofs)):
        yield from _without_guide(view, kind, found)
    for name, path in view.guides.items():
        problem = ProblemId.parse(name)
        if name not in view.records:
            yield Complaint(view.source(path), 1, f"guide '{name}' has no problem record: {problem.record} is missing")
        if name not in view.faults and not view.installed:
            yield Complaint(view.source(path), 1, f"guide '{name}' has no fault: {problem.fault} is missing")


def _without_guide(view: View, kind: str, found: dict[str, Path]) -> Iterator[Complaint]:
    for name, path in found.items():
        if name not in view.guides:
            wanted = ProblemId.parse(name).guide
            yield Complaint(
                view.source(path), 1, f"{kind} '{name}' has no guide: {wanted} is missing{hint(name, view.guides)}"
            )


def _cited(view: View) -> set[str]:
    """Return the ids of all diagnostics that guides cite; a guide that cannot be read is taken to cite its own."""
    cited: set[str] = set()
    for guide, path in view.guides.items():
        located = view.handbook.located.get(view.source(path))
        if located and isinstance(located.data, dict):
            names = located.data.get("diagnostics")
            cited.update(name for name in (names if isinstance(names, list) else []) if isinstance(name, str))
        else:
            cited.add(guide)
    return cited
