"""The blocks `guides` and `symptoms`: ways from an overview into the guides, computed from what the catalogue holds."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from plumbline.catalogue import AREAS, ProblemId
from plumbline.handbook.blocks.elements import Child, bullets, element, rich, row, table
from plumbline.handbook.blocks.proof import badge, when
from plumbline.handbook.blocks.shelf import Shelf
from plumbline.handbook.complaints import Complaint, HandbookError, unknown

LinkTo = Callable[[str], str | None]
"""Path of a catalogue page, seen from the page that is being built; None when that page is not known."""
ALL = "all"


def guides_block(shelf: Shelf, area: str, link_to: LinkTo) -> Element:
    """Build one card per guide: its symptom as a link, one sentence, and the state of its proof.

    Args:
        shelf: The catalogue's records.
        area: An area, or `all`.
        link_to: Finds the way to a page.

    Raises:
        HandbookError: There is no such area, or a record breaks its schema.
    """
    cards = [_card(shelf, problem, link_to) for problem in _wanted(shelf, "guides", area)]
    return element("div", {"class": "pl-cards", "data-plumbline": "guides"}, *cards)


def symptoms_block(shelf: Shelf, area: str, link_to: LinkTo) -> Element:
    """Build the table from what people say, see and read in logs to the guides.

    Args:
        shelf: The catalogue's records.
        area: An area, or `all`.
        link_to: Finds the way to a page.

    Raises:
        HandbookError: There is no such area, or a record breaks its schema.
    """
    rows = [_row(shelf, problem, link_to) for problem in _wanted(shelf, "symptoms", area)]
    return table("pl-symptoms", "Symptoms and their guides", ["What you meet", "Guide", "Proof"], rows)


def _wanted(shelf: Shelf, kind: str, area: str) -> list[ProblemId]:
    if area != ALL and area not in AREAS:
        raise HandbookError([Complaint("docs", 1, f"/// {kind} | {unknown('area', area, (ALL, *AREAS))}")])
    return [problem for problem, _ in shelf.catalogue.guides() if area in (ALL, problem.area)]


def _card(shelf: Shelf, problem: ProblemId, link_to: LinkTo) -> Element:
    front, proven = shelf.front(str(problem)), shelf.proof(str(problem))
    state: list[Child] = [badge(proven), *when(proven), element("code", "", str(problem))]
    return element(
        "div",
        {"class": f"pl-card pl-card--{proven.state}", "data-id": str(problem)},
        element("p", "pl-card__title", _link(shelf, problem, link_to)),
        element("p", "pl-card__told", *rich(front.description)) if front else None,
        element("p", "pl-card__state", *state),
    )


def _row(shelf: Shelf, problem: ProblemId, link_to: LinkTo) -> Element:
    symptoms = shelf.problem(str(problem)).symptoms
    said = [rich(line) for line in (*symptoms.complaint[:2], *symptoms.observation[:2])]
    printed: list[list[Child]] = [[element("code", "", line)] for line in symptoms.exception[:2]]
    proven = shelf.proof(str(problem))
    return row([bullets([*said, *printed])], ("Guide", [_link(shelf, problem, link_to)]), ("Proof", [badge(proven)]))


def _link(shelf: Shelf, problem: ProblemId, link_to: LinkTo) -> Element:
    front = shelf.front(str(problem))
    title = rich(front.title if front else str(problem))
    href = link_to(problem.guide.as_posix())
    return element("a", {"href": href}, *title) if href else element("strong", "", *title)
