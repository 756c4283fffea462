"""How sure the best result is, and what to ask when it is not sure enough."""

from __future__ import annotations

import math
from dataclasses import dataclass

from plumbline_search.kinds import Kind
from plumbline_search.lexical import Lexicon

ENOUGH = 0.5
"""Confidence from which an answer is given: it is more likely right than not."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model of "the first page is right": fitted on the tuning half of the judged queries.

    Args:
        bias: Constant.
        cosine: Slope over the cosine of the page's best chunk.
        coverage: Slope over the share of the query's words that the page holds, weighted by rarity.
    """

    bias: float
    cosine: float
    coverage: float

    def sure(self, cosine: float, coverage: float) -> float:
        """Return the confidence, 0 to 1."""
        score = self.bias + self.cosine * cosine + self.coverage * coverage
        # exp() of a large number overflows; from 30 on the result is 0 or 1 anyway
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


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
