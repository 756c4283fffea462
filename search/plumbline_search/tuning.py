"""Choose weights and thresholds on the tuning half of the judged queries; the other half never enters here."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

from plumbline_search.engine import Engine
from plumbline_search.judged import Judged
from plumbline_search.kinds import Kind, kind_of
from plumbline_search.relevance import Outcome, figures
from plumbline_search.systems import ByKind, ask, bm25_alone, dense_alone, lexical_mode
from plumbline_search.weights import Weights

SIGNATURE = 2.0
"""A matched signature outweighs both other lanes together, so it need not be tuned."""
_STEPS = [step / 20 for step in range(21)]
_PRIOR = {Kind.QUESTION: 0.5, Kind.ERROR: 0.25, Kind.LOG: 0.25}
"""Dense weights measured on larger public sets; among equals the nearest is taken."""
_NOISE = 0.02
"""Differences in reciprocal rank up to this are taken for equal: one query in fifty."""


def tune(engine: Engine, judged: list[Judged]) -> dict[Kind, Weights]:
    """Choose, for each kind of query: the dense weight by reciprocal rank, then confidence and threshold.

    The threshold is where right answers plus rightly refused distractors are most, in the middle of what is equal.
    """
    half = [one for one in judged if one.half == "tune"]
    return {kind: _tune_kind(engine, [one for one in half if kind_of(one.query) is kind], kind) for kind in Kind}


def _tune_kind(engine: Engine, judged: list[Judged], kind: Kind) -> Weights:
    start = Weights(0.5, 0.5, SIGNATURE, 0.5, 0.0, 0.0)
    ranked = [
        (dense, _mrr(engine, judged, replace(start, dense=dense, lexical=round(1 - dense, 2)))) for dense in _STEPS
    ]
    best = max(mrr for _, mrr in ranked)
    dense = min((dense for dense, mrr in ranked if mrr >= best - _NOISE), key=lambda dense: abs(dense - _PRIOR[kind]))
    weighed = replace(start, dense=dense, lexical=round(1 - dense, 2))
    shares = [(share, *_threshold(engine, judged, replace(weighed, cosine_share=share))) for share in _STEPS[::2]]
    gain = max(found[2] for found in shares)
    share, threshold, _ = min((one for one in shares if one[2] >= gain - _NOISE), key=lambda one: abs(one[0] - 0.5))
    weighed = replace(weighed, cosine_share=share, hybrid_threshold=threshold)
    lexical, _ = _threshold(engine, judged, lexical_mode(weighed))
    return replace(weighed, lexical_threshold=lexical)


def tune_alone(engine: Engine, judged: list[Judged], chosen: ByKind) -> tuple[dict[Kind, Weights], dict[Kind, Weights]]:
    """Give BM25 alone and dense alone thresholds of their own, chosen as for the hybrid."""
    half = [one for one in judged if one.half == "tune"]
    found: tuple[dict[Kind, Weights], dict[Kind, Weights]] = ({}, {})
    for kind in Kind:
        of_kind = [one for one in half if kind_of(one.query) is kind]
        for place, only in zip(found, (bm25_alone, dense_alone), strict=True):
            weights = only(chosen[kind])
            place[kind] = replace(weights, hybrid_threshold=_threshold(engine, of_kind, weights)[0])
    return found


def _mrr(engine: Engine, judged: list[Judged], weights: Weights) -> float:
    return figures(_outcome(engine, one, weights)[0] for one in judged if one.want is not None).mrr


def _threshold(engine: Engine, judged: list[Judged], weights: Weights) -> tuple[float, float]:
    """Return (threshold, its gain): the share of right answers plus the share of refused distractors."""
    asked = [_outcome(engine, one, weights) for one in judged]
    sure = sorted({confidence for _, confidence in asked})
    edges = [0.0, *((low + high) / 2 for low, high in pairwise(sure)), 1.0]
    gains = [_gain(asked, edge) for edge in edges]
    best = max(gains)
    equal = [edge for edge, gain in zip(edges, gains, strict=True) if gain == best]
    return round((min(equal) + max(equal)) / 2, 3), best


def _gain(asked: list[tuple[Outcome, float]], threshold: float) -> float:
    told = figures(replace(outcome, answered=confidence >= threshold) for outcome, confidence in asked)
    return told.answered_right - told.false_answers


def _outcome(engine: Engine, judged: Judged, weights: Weights) -> tuple[Outcome, float]:
    return ask(engine, judged, dict.fromkeys(Kind, weights))


def stored(weights: ByKind, note: str) -> dict[str, Any]:
    """Return what weights.json holds."""
    return {"chosen_by": note, "kinds": {kind.value: asdict(weights[kind]) for kind in Kind}}
