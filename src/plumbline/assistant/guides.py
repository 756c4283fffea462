"""Guides as an assistant reads them: Markdown whose headings carry their anchors."""

from __future__ import annotations

import re

from plumbline.assistant.answers import GuideText, Heading
from plumbline.assistant.refusals import RefusedError
from plumbline.handbook import Guide, Handbook
from plumbline.handbook.complaints import unknown

_BLOCK = re.compile(r"^/// (?P<kind>diagnostic|problem|proof) \| (?P<id>\S+)[ \t]*\n///[ \t]*$", re.MULTILINE)


def read(handbook: Handbook, wanted: str) -> GuideText:
    """Return a guide.

    Raises:
        RefusedError: There is none of that id; the sentence names the nearest, or the successor of a retired one.
    """
    guide = handbook.guides.get(wanted)
    if guide is None:
        raise RefusedError(_missing(handbook, wanted))
    front = guide.front
    return GuideText(
        id=guide.id,
        title=guide.title,
        description=front.description,
        url=guide.url,
        severity=front.severity,
        component=front.component,
        diagnostics=list(front.diagnostics),
        related=list(front.related),
        proven_at=_proven_at(handbook, guide.id),
        headings=[Heading(heading=one.text, anchor=one.anchor, level=one.level) for one in guide.outline.headings],
        markdown=_BLOCK.sub(lambda block: _told(handbook, block["kind"], block["id"]), _anchored(guide)).strip() + "\n",
    )


def citing(handbook: Handbook, diagnostic: str) -> list[str]:
    """Return the ids of the guides that cite a diagnostic."""
    return [guide.id for guide in handbook.guides.values() if diagnostic in guide.front.diagnostics]


def _missing(handbook: Handbook, wanted: str) -> str:
    retired = handbook.retired.get(wanted)
    if retired:
        told = f"'{retired.successor}' took its place" if retired.successor else str(retired.reason)
        return f"the guide '{wanted}' was retired: {told}"
    said = unknown("guide", wanted, handbook.guides)
    return said if "did you mean" in said else f"{said}; search_handbook finds the ids that exist"


def _anchored(guide: Guide) -> str:
    """Return the body with `{#anchor}` behind every heading that does not name its own."""
    body, position, parts = guide.body, 0, []
    for one in guide.outline.headings:
        line = body[one.start : one.end]
        if not one.explicit:
            underlined = "\n" in line.strip()
            line = f"{'#' * one.level} {one.text}" if underlined else line.rstrip()
            line = f"{line} {{#{one.anchor}}}"
        parts += [body[position : one.start], line]
        position = one.end
    return "".join([*parts, body[position:]])


def _told(handbook: Handbook, kind: str, name: str) -> str:
    """Say in words what a block shows on the site."""
    if kind == "diagnostic":
        page = handbook.diagnostics.get(name)
        question = f": {page.question}" if page else ""
        return f"Diagnostic `{name}`{question} (run_diagnostic runs it)"
    if kind == "proof":
        proof = handbook.proofs.get(name)
        if proof is None or not proof.proven:
            return "Proof: there is none on record."
        return f"Proof: the fault was injected, found and mended as this guide says, on {proof.proven_at:%Y-%m-%d}."
    problem = handbook.problems.get(name)
    if problem is None:
        return f"Problem `{name}`"
    rows = [f"- `{cause.id}`: {cause.title} ({cause.evidence})" for cause in problem.causes]
    return "\n".join([f"Problem `{name}`: {problem.title}", "", "Causes:", "", *rows])


def _proven_at(handbook: Handbook, name: str) -> str | None:
    proof = handbook.proofs.get(name)
    return proof.proven_at.isoformat() if proof and proof.proven else None
