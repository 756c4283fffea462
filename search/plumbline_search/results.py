"""From a ranked page to what is shown of it."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline_search.answers import Result, Why
from plumbline_search.corpus import Corpus, Page
from plumbline_search.lexical import Lexicon
from plumbline_search.phrases import section_holding
from plumbline_search.snippets import snippet
from plumbline_search.tokens import words

_SHOWN_TERMS = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A ranked page.

    Args:
        page: Its number.
        section: Number of its best section, within the page.
        score: Sum of its lanes.
        lanes: What each lane gave.
        signature: The line of the query that one of its signatures matched.
        phrases: Literal phrases of the query.
        query: The text that was searched.
    """

    page: int
    section: int
    score: float
    lanes: dict[str, float]
    signature: str | None
    phrases: list[str]
    query: str


def result_of(corpus: Corpus, lexicon: Lexicon, found: Found, query: list[str]) -> Result:
    """Show a ranked page: its best heading, a snippet, and why it was found."""
    page = corpus.pages[found.page]
    section = page.sections[_section(page, found)]
    cut = snippet(section.text, set(query), lexicon.rarity)
    return Result(
        id=page.id,
        title=page.title,
        heading=section.heading,
        breadcrumb=section.breadcrumb,
        url=f"{page.url}#{section.anchor}" if section.anchor else page.url,
        page_kind=page.kind,
        score=round(found.score, 4),
        snippet=cut.text,
        highlights=cut.highlights,
        why=Why(found.lanes, _held(lexicon, found), found.signature),
        diagnostic=page.diagnostic,
        proven_at=page.proven_at,
    )


def _section(page: Page, found: Found) -> int:
    literal = section_holding(page, found.phrases) if found.phrases else set()
    return min(literal) if literal and found.section not in literal else found.section


def _held(lexicon: Lexicon, found: Found) -> list[str]:
    """Return the words of the query that the page holds, rarest first."""
    held: dict[str, float] = {}
    for word in words(found.query):
        here = [term for term in word.terms if found.page in lexicon.holders(term)]
        if here:
            held.setdefault(found.query[word.start : word.end], max(lexicon.rarity(term) for term in here))
    return sorted(held, key=lambda term: -held[term])[:_SHOWN_TERMS]
