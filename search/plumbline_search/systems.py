"""The systems that the evaluation compares: the hybrid, what is served without a model, and each half alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from plumbline_search.confidence import ENOUGH
from plumbline_search.engine import Engine, Ranked
from plumbline_search.judged import Judged
from plumbline_search.kinds import Kind, kind_of
from plumbline_search.relevance import Outcome
from plumbline_search.weights import Weights

HYBRID, LEXICAL, BM25, DENSE = "hybrid", "lexical mode", "BM25 alone", "dense alone"

ByKind = Mapping[Kind, Weights]


def bm25_alone(weights: Weights) -> Weights:
    """Weigh BM25 only."""
    return replace(weights, lexical=1.0, dense=0.0, signature=0.0, guide=0.0)


def dense_alone(weights: Weights) -> Weights:
    """Weigh embeddings only."""
    return replace(weights, lexical=0.0, dense=1.0, signature=0.0, guide=0.0)


def lexical_mode(weights: Weights) -> Weights:
    """Weigh as the service does while there is no model."""
    return replace(weights, lexical=weights.lexical + weights.dense, dense=0.0, hybrid_sure=weights.lexical_sure)


def ask(engine: Engine, judged: Judged, weights: ByKind) -> tuple[Outcome, Ranked]:
    """Ask one query, and return the outcome with the ranking."""
    kind = kind_of(judged.query)
    ranked = engine.rank(judged.query, kind=kind, weights=weights[kind])
    pages = tuple(engine.corpus.pages[number].id for number in ranked.order)
    return Outcome(judged, pages, ranked.confidence >= ENOUGH), ranked


def run(engine: Engine, judged: list[Judged], weights: ByKind) -> list[Outcome]:
    """Ask all queries."""
    return [ask(engine, one, weights)[0] for one in judged]
