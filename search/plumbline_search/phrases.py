"""A quoted phrase is literal: a page that does not hold it is no answer."""

from __future__ import annotations

import re

from plumbline_search.corpus import Page
from plumbline_search.kinds import Kind

_QUOTED = re.compile(r'(?<![\w\\])["“]([^"“”]{2,200})["”](?!\w)')


def phrases_of(query: str, kind: Kind) -> list[str]:
    """Return the phrases that are meant literally: quoted ones of a question, or a query that is one quoted phrase.

    Quotes inside of an error line or a log are part of it.
    """
    found = _QUOTED.findall(query)
    whole = len(found) == 1 and query.strip()[1:-1] == found[0]
    return [normal(phrase) for phrase in found if phrase.strip()] if whole or kind is Kind.QUESTION else []


def holds(page: Page, phrases: list[str]) -> bool:
    """Say whether a page holds all phrases, whatever their case and spacing."""
    return all(any(phrase in normal(part) for part in _parts(page)) for phrase in phrases)


def section_holding(page: Page, phrases: list[str]) -> set[int]:
    """Return the numbers of the page's sections that hold at least one of the phrases."""
    return {
        number
        for number, section in enumerate(page.sections)
        if any(phrase in normal(f"{section.heading} {section.text}") for phrase in phrases)
    }


def normal(text: str) -> str:
    """Fold case and spacing."""
    return " ".join(text.casefold().split())


def _parts(page: Page) -> list[str]:
    return [page.title, *(f"{section.heading} {section.text}" for section in page.sections)]
