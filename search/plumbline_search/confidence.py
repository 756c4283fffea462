"""How sure the best result is, and what to ask when it is not sure enough."""

from __future__ import annotations

from plumbline_search.fusion import Scores
from plumbline_search.kinds import Kind
from plumbline_search.lexical import Lexicon


def confidence(
    lexicon: Lexicon, query: list[str], order: list[int], cosines: Scores | None, cosine_share: float
) -> float:
    """Return how sure the first of the ranked pages is, 0 to 1, if no log signature matched.

    Args:
        lexicon: What is known of the words.
        query: The query's terms.
        order: Numbers of the pages, best first.
        cosines: Cosine of each page's best chunk; None for a lexical answer.
        cosine_share: Share of the cosine; the rest is the share of the query's words that the page holds, weighted by
            rarity. The evaluation chose it.
    """
    if not order:
        return 0.0
    covered = coverage(lexicon, query, order[0])
    if cosines is None:
        return covered
    cosine = min(1.0, max(0.0, float(cosines[order[0]])))
    return cosine_share * cosine + (1 - cosine_share) * covered


def coverage(lexicon: Lexicon, query: list[str], page: int) -> float:
    """Return the share of the query's terms that a page holds, each weighted by its rarity; 0 to 1."""
    rarities = {term: lexicon.rarity(term) for term in query}
    total = sum(rarities.values())
    held = sum(rarity for term, rarity in rarities.items() if page in lexicon.holders(term))
    return held / total if total else 0.0


def question_back(kind: Kind, phrases: list[str]) -> str:
    """Ask for what would help to find a guide."""
    if phrases:
        return "No page holds this phrase word for word; what is left if you take the quotation marks away?"
    if kind is Kind.LOG:
        return "Which component wrote this log, and what do its users notice?"
    if kind is Kind.ERROR:
        return "Which component prints this, and what happened just before?"
    return "Which component is concerned (gateway, load balancer, host …), and what does its log say?"
