"""The systems that the evaluation compares: the hybrid, what is served without a model, and each half alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from plumbline_search.engine import Engine
from plumbline_search.judged import Judged
from plumbline_search.kinds import Kind, kind_of
from plumbline_search.relevance import Outcome
from plumbline_search.weights import Weights

HYBRID, LEXICAL, BM25, DENSE = "hybrid", "lexical mode", "BM25 alone", "dense alone"
ANSWERS = 50

ByKind = Mapping[Kind, Weights]


def bm25_alone(weights: Weights) -> Weights:
    """Weigh BM25 only."""
    return replace(weights, lexical=1.0, dense=0.0, signature=0.0, cosine_share=0.0)


def dense_alone(weights: Weights) -> Weights:
    """Weigh embeddings only."""
    return replace(weights, lexical=0.0, dense=1.0, signature=0.0, cosine_share=1.0)


def lexical_mode(weights: Weights) -> Weights:
    """Weigh as the service does while there is no model."""
    return replace(weights, dense=0.0, cosine_share=0.0, hybrid_threshold=weights.lexical_threshold)


def ask(engine: Engine, judged: Judged, weights: ByKind) -> tuple[Outcome, float]:
    """Ask one query, and return the outcome with its confidence."""
    kind = kind_of(judged.query)
    chosen = weights[kind]
    forced = replace(chosen, hybrid_threshold=-1.0, lexical_threshold=-1.0)
    answer = engine.answer(judged.query, limit=ANSWERS, kind=kind, weights=forced)
    ranked = tuple(result.id for result in answer.results)
    return Outcome(judged, ranked, bool(ranked) and answer.confidence >= chosen.hybrid_threshold), answer.confidence


def run(engine: Engine, judged: list[Judged], weights: ByKind) -> list[Outcome]:
    """Ask all queries."""
    return [ask(engine, one, weights)[0] for one in judged]
