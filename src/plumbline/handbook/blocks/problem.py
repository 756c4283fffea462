"""The `problem` block: what the problem record says, for people."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from plumbline.catalogue import ProblemId
from plumbline.handbook.blocks.elements import Child, bullets, element, facts, rich, row, table
from plumbline.handbook.blocks.shelf import Shelf
from plumbline.handbook.records import Lookalike, Problem

LinkTo = Callable[[str], str | None]
"""Path of a catalogue page, seen from the page that is being built; None when that page is not known."""
_URGENCY = {"page": "page: wake somebody", "ticket": "ticket: next working day"}
_PLATFORMS = {"linux": "Linux", "macos": "macOS"}
_REGISTERS = {"complaint": "People say", "observation": "You see", "exception": "Programs print"}


def problem_block(shelf: Shelf, name: str, link_to: LinkTo) -> Element:
    """Build the block of a problem record.

    Raises:
        HandbookError: There is no such record, or it breaks its schema.
    """
    problem, front = shelf.problem(name), shelf.front(name)
    pairs: list[tuple[str, list[Child]]] = [("Severity", [_URGENCY[problem.severity]])]
    if front:
        pairs.append(("Component", rich(front.component)))
    pairs.append(("Platforms", [", ".join(_PLATFORMS[one] for one in problem.platforms)]))
    if front and front.tested:
        pairs.append(("Tried with", [", ".join(f"{what} {version}" for what, version in front.tested.items())]))
    return element(
        "section",
        {
            "class": f"pl-block pl-problem pl-problem--{problem.severity}",
            "data-plumbline": "problem",
            "data-id": name,
            "aria-label": f"Problem {name}",
        },
        element("p", "pl-block__title", element("span", "pl-kind", "Problem"), " ", *rich(problem.title)),
        facts("pl-facts", pairs),
        *_symptoms(problem),
        _causes(problem),
        *_lookalikes(shelf, problem, link_to),
    )


def _symptoms(problem: Problem) -> list[Child]:
    made: list[Child] = []
    for register, label in _REGISTERS.items():
        lines: tuple[str, ...] = getattr(problem.symptoms, register)
        if not lines:
            continue
        items = [[element("code", "", line)] if register == "exception" else rich(line) for line in lines]
        made += [element("p", "pl-label", label), bullets(items)]
    return made


def _causes(problem: Problem) -> Element:
    rows = [
        row(
            [element("a", {"href": f"#{cause.anchor}"}, *rich(cause.title))],
            ("What tells it", rich(cause.evidence)),
            ("Cause id", [element("code", "", cause.id)]),
            attributes={"id": f"cause-{cause.id}"},
        )
        for cause in problem.causes
    ]
    return table("pl-causes", f"Causes of {problem.id}", ["Cause", "What tells it", "Cause id"], rows)


def _lookalikes(shelf: Shelf, problem: Problem, link_to: LinkTo) -> list[Child]:
    if not problem.lookalikes:
        return []
    items = [[*_named(shelf, one, link_to), ": ", *rich(one.differs)] for one in problem.lookalikes]
    return [element("p", "pl-label", "It is not this one if"), bullets(items)]


def _named(shelf: Shelf, one: Lookalike, link_to: LinkTo) -> list[Child]:
    if one.id is None:
        return [element("strong", "", *rich(one.title or ""))]
    front = shelf.front(one.id)
    title = rich(front.title) if front else [element("code", "", one.id)]
    href = link_to(ProblemId.parse(one.id).guide.as_posix()) if front else None
    return [element("a", {"href": href}, *title) if href else element("strong", "", *title)]
