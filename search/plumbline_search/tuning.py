"""Choose weights and confidence on the tuning half of the judged queries; the other half never enters here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline_search.confidence import Calibration
from plumbline_search.engine import Engine
from plumbline_search.judged import Judged
from plumbline_search.kinds import Kind, kind_of
from plumbline_search.relevance import figures
from plumbline_search.systems import ByKind, ask, bm25_alone, dense_alone, lexical_mode
from plumbline_search.weights import Weights

SIGNATURE = 2.0
"""A matched signature outweighs both other lanes together, so it need not be tuned."""
_STEPS = [step / 20 for step in range(21)]
_MISSED = 0.62
"""Share of the queries with a guide in what calibration weighs: at three in the morning a guide that exists and is not
shown costs more than half as much again as one that is shown in vain (judgement)."""
_PRIOR = {Kind.QUESTION: 0.5, Kind.ERROR: 0.25, Kind.LOG: 0.25}
"""Dense weights measured on larger public sets; among equals the nearest is taken."""
_NOISE = 0.005
"""Differences in reciprocal rank up to this are taken for equal: half of what one query in fifty gives by moving from
the second place to the first."""
_AHEAD = [step / 20 for step in range(7)]
_TIE = 0.002
"""The same for what guides have ahead, over all queries of the half."""
_RIDGE = 0.5
"""Pull of the slopes (over standardised features) towards 0: a few dozen queries can be parted by chance."""
_STEPS_OF_NEWTON = 50
_NOTHING = Calibration(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """One tuning query's evidence for its first page, and whether that page is right.

    Args:
        kind: Kind of the query.
        cosine: Cosine of the page's best chunk.
        coverage: Share of the query's words that the page holds.
        right: True if it is the wanted page, False for a query that has none.
    """

    kind: Kind
    cosine: float
    coverage: float
    right: bool


def tune(engine: Engine, judged: list[Judged]) -> dict[Kind, Weights]:
    """Choose by reciprocal rank what guides have ahead, then each kind's dense weight; then fit the confidence."""
    half = [one for one in judged if one.half == "tune"]
    start = {kind: _weighed(_PRIOR[kind], 0.0) for kind in Kind}
    ahead = {
        guide: _mrr(engine, half, {kind: replace(one, guide=guide) for kind, one in start.items()}) for guide in _AHEAD
    }
    best = max(ahead.values())
    guide = min(guide for guide, mrr in ahead.items() if mrr >= best - _TIE)
    weighed = {kind: _weighed(_dense_weight(engine, half, kind, guide), guide) for kind in Kind}
    hybrid = calibrate(samples(engine, half, weighed), cosine=True, coverage=True)
    lexically = {kind: lexical_mode(one) for kind, one in weighed.items()}
    lexical = calibrate(samples(engine, half, lexically), cosine=False, coverage=True)
    return {kind: replace(weighed[kind], hybrid_sure=hybrid[kind], lexical_sure=lexical[kind]) for kind in Kind}


def tune_alone(engine: Engine, judged: list[Judged], chosen: ByKind) -> tuple[dict[Kind, Weights], dict[Kind, Weights]]:
    """Give BM25 alone and dense alone a confidence of their own, fitted as for the hybrid."""
    half = [one for one in judged if one.half == "tune"]

    def fitted(only: Callable[[Weights], Weights], *, cosine: bool) -> dict[Kind, Weights]:
        weighed = {kind: only(one) for kind, one in chosen.items()}
        sure = calibrate(samples(engine, half, weighed), cosine=cosine, coverage=not cosine)
        return {kind: replace(weighed[kind], hybrid_sure=sure[kind]) for kind in Kind}

    return fitted(bm25_alone, cosine=False), fitted(dense_alone, cosine=True)


def samples(engine: Engine, judged: list[Judged], weights: ByKind) -> list[Sample]:
    """Return what confidence is fitted on: queries whose first page is right, and queries without a guide.

    A query that matched a signature is certain and teaches nothing; one whose guide stands second is no case for
    saying that there is none.
    """
    found: list[Sample] = []
    for one in judged:
        outcome, ranked = ask(engine, one, weights)
        certain = weights[ranked.read.kind].signature > 0 and bool(ranked.lanes.matches.found)
        if ranked.order and not certain and (one.want is None or outcome.first):
            found.append(Sample(ranked.read.kind, ranked.cosine, ranked.coverage, one.want is not None))
    return found


def calibrate(given: list[Sample], *, cosine: bool, coverage: bool) -> dict[Kind, Calibration]:
    """Fit the logistic model: slopes for all kinds together, a constant for each kind.

    How many distractors a set has says nothing about what will be asked: right and wrong have fixed shares in the sum.

    Args:
        given: The samples.
        cosine: Use the cosine.
        coverage: Use the coverage.
    """
    features = np.array([[one.cosine * cosine, one.coverage * coverage] for one in given])
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1.0
    kinds = np.array([[float(one.kind is kind) for kind in Kind] for one in given])
    right = np.array([one.right for one in given], dtype=np.float64)
    each = np.where(right > 0, _MISSED / max(1.0, right.sum()), (1 - _MISSED) / max(1.0, (1 - right).sum())) * len(
        given
    )
    solved = _logistic(np.hstack([(features - mean) / spread, kinds]), right, each)
    slopes, biases = solved[:2] / spread, solved[2:]
    shift = float(slopes @ mean)
    return {
        kind: Calibration(round(float(bias) - shift, 3), round(float(slopes[0]), 3), round(float(slopes[1]), 3))
        for kind, bias in zip(Kind, biases, strict=True)
    }


def _logistic(
    features: NDArray[np.float64], right: NDArray[np.float64], each: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solve a weighted ridge-penalised logistic regression by Newton's method."""
    solved = np.zeros(features.shape[1])
    ridge = np.eye(features.shape[1]) * _RIDGE
    for _ in range(_STEPS_OF_NEWTON):
        sure = 1 / (1 + np.exp(-features @ solved))
        slope = features.T @ (each * (sure - right)) + ridge @ solved
        curve = (features * (each * sure * (1 - sure))[:, None]).T @ features + ridge
        step = np.linalg.solve(curve, slope)
        solved = solved - step
        if float(np.abs(step).max()) < 1e-9:
            break
    return solved


def _dense_weight(engine: Engine, judged: list[Judged], kind: Kind, guide: float) -> float:
    of_kind = [one for one in judged if kind_of(one.query) is kind]
    found = [(dense, _mrr(engine, of_kind, {kind: _weighed(dense, guide)})) for dense in _STEPS]
    best = max(mrr for _, mrr in found)
    return min((dense for dense, mrr in found if mrr >= best - _NOISE), key=lambda dense: abs(dense - _PRIOR[kind]))


def _weighed(dense: float, guide: float) -> Weights:
    return Weights(round(1 - dense, 2), dense, SIGNATURE, guide, _NOTHING, _NOTHING)


def _mrr(engine: Engine, judged: list[Judged], weights: ByKind) -> float:
    return figures(ask(engine, one, weights)[0] for one in judged if one.want is not None).mrr


def stored(weights: ByKind, note: str) -> dict[str, Any]:
    """Return what weights.json holds."""
    return {"chosen_by": note, "kinds": {kind.value: asdict(weights[kind]) for kind in Kind}}
