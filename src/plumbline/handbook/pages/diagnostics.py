"""The page of all diagnostics: question, limits, what is read, and the guides that cite it."""

from __future__ import annotations

from collections.abc import Iterable

from plumbline.catalogue import ProblemId
from plumbline.diagnosis.catalogue import Diagnostic
from plumbline.handbook.load import Handbook
from plumbline.handbook.pages.markdown import anchor, escaped, guide_link, page, table


def diagnostics_page(handbook: Handbook, diagnostics: Iterable[Diagnostic]) -> str:
    """Return the page.

    Args:
        handbook: For the guides that cite each diagnostic.
        diagnostics: Those of the catalogue, loaded, so that limits are the very objects that judge.
    """
    found = list(diagnostics)
    index = table(
        ["Diagnostic", "Question"], ([f"[`{one.id}`](#{anchor(one.id)})", escaped(one.question)] for one in found)
    )
    return page(
        "Diagnostics",
        "Every diagnostic: what it asks, reads and holds to be too much.",
        "All of them: `plumb diagnose`. One: `plumb diagnose ID`. What it would read: `plumb diagnose ID --plan`.",
        index,
        *(part for one in found for part in _one(handbook, one)),
    )


def _one(handbook: Handbook, found: Diagnostic) -> list[str]:
    guides = [guide for guide in handbook.guides.values() if found.id in guide.front.diagnostics]
    links = ", ".join(guide_link(guide.id, guide.title) for guide in guides)
    reads = found.judge.needs if found.judge else ()
    records = ", ".join(f"[`{need.evidence.__name__}`](evidence.md#{anchor(need.evidence.__name__)})" for need in reads)
    return [
        f"## {found.id} {{#{anchor(found.id)}}}",
        f"**{escaped(found.question)}**",
        escaped(found.explanation),
        _limits(found),
        f"Reads {records}. Time-out {found.judge.timeout_s:g} s." if found.judge else "",
        f"Guides: {links}." if links else "",
        f"Source: `{ProblemId.parse(found.id).diagnostic}`",
    ]


def _limits(found: Diagnostic) -> str:
    rows = [
        [
            f"`{name}`",
            escaped(one.name or name.lower().replace("_", " ")),
            str(one),
            f"`{one.unit}`",
            escaped(one.source),
        ]
        for name, one in found.thresholds.items()
    ]
    return (
        table(["Name", "Limit", "Value", "Unit", "Where it comes from"], rows)
        if rows
        else "It holds nothing against a limit."
    )
