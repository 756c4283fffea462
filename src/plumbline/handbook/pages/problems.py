"""The page of all problems, by area and severity."""

from __future__ import annotations

from plumbline.catalogue import AREAS
from plumbline.handbook.load import Guide, Handbook
from plumbline.handbook.pages.markdown import escaped, guide_link, page, table

_SEVERITIES = {"page": "page: wake somebody", "ticket": "ticket: next working day"}


def problems_page(handbook: Handbook) -> str:
    """Return the page."""
    parts: list[str] = []
    for area in AREAS:
        guides = [guide for guide in handbook.guides.values() if guide.id.partition(".")[0] == area]
        if guides:
            ranked = sorted(guides, key=lambda guide: ([*_SEVERITIES].index(guide.front.severity), guide.id))
            rows = [_row(handbook, guide) for guide in ranked]
            parts += [
                f"## {area.capitalize()}",
                table(["Symptom", "Severity", "Component", "Causes", "Diagnostics"], rows),
            ]
    return page("Problems", "Every problem that has a guide, by area and severity.", *parts)


def _row(handbook: Handbook, guide: Guide) -> list[str]:
    problem = handbook.problems.get(guide.id)
    causes = "; ".join(escaped(cause.title) for cause in problem.causes) if problem else ""
    return [
        guide_link(guide.id, guide.title),
        _SEVERITIES[guide.front.severity],
        escaped(guide.front.component),
        causes,
        ", ".join(f"`{name}`" for name in guide.front.diagnostics),
    ]
