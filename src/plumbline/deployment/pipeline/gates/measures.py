"""How good is a model, and how sure is that? Paired intervals for the difference of two models on the same rows.

The area under the ROC curve by DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3), with midranks as Sun and Xu
(2014), IEEE Signal Processing Letters 21(11), compute them. All others by the paired bootstrap of rows with percentile
ends (Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 13).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Metric = Literal[
    "roc_auc", "average_precision", "brier", "log_loss", "accuracy", "precision", "recall", "f1", "mae", "rmse", "r2"
]
Needs = Literal["score", "label", "value"]

NEEDS: Mapping[str, Needs] = {
    **dict.fromkeys(("roc_auc", "average_precision", "brier", "log_loss"), "score"),
    **dict.fromkeys(("accuracy", "precision", "recall", "f1"), "label"),
    **dict.fromkeys(("mae", "rmse", "r2"), "value"),
}
"""What of the model a metric looks at: a probability, a label, or a number."""

LOWER_IS_BETTER = frozenset({"brier", "log_loss", "mae", "rmse"})
BOOTSTRAP_ROWS = 20_000
"""More rows than this are thinned out, by the seed, before they are drawn again and again."""

_CHUNK = 50
_LEAST = 1e-15  # a probability of 0 that comes true would cost infinitely much


@dataclass(frozen=True, slots=True)
class Bounds:
    """A figure with one-sided ends, each of which is beyond the truth with a probability of at most alpha.

    Args:
        value: On the rows at hand.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Compared:
    """What two models were found to be worth.

    Args:
        candidate: The candidate's figure.
        production: Production's; None without production.
        better: By how much the candidate is better (positive) or worse, whichever way the metric points.
    """

    candidate: Bounds
    production: float | None
    better: Bounds | None


def compare(
    metric: Metric, truth: Floats, new: Floats, old: Floats | None, *, alpha: float, repeats: int, seed: int
) -> Compared:
    """Return both models' figures and the difference.

    Args:
        metric: What to measure.
        truth: 0 or 1; for `accuracy` always 1 (and the models' arrays say whether they are right); a number for values.
        new: The candidate's scores, labels as 0 or 1, or values, `(n_rows,)`.
        old: Production's on the same rows, or None.
        alpha: Of each end.
        repeats: Of the bootstrap.
        seed: Of the bootstrap.
    """
    sides = np.stack([new] if old is None else [new, old])
    if metric == "roc_auc":
        return _by_delong(truth, sides, alpha)
    return _by_bootstrap(metric, truth, sides, alpha, repeats, seed)


def _by_delong(truth: Floats, sides: Floats, alpha: float) -> Compared:
    areas, covariance = delong(truth, sides)
    z = NormalDist().inv_cdf(1 - alpha)

    def around(value: float, variance: float) -> Bounds:
        half = z * float(np.sqrt(max(variance, 0.0)))
        return Bounds(value, value - half, value + half)

    candidate = around(float(areas[0]), float(covariance[0, 0]))
    if len(areas) == 1:
        return Compared(candidate, None, None)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return Compared(candidate, float(areas[1]), around(float(areas[0] - areas[1]), variance))


def delong(truth: Floats, sides: Floats) -> tuple[Floats, Floats]:
    """Return the areas, `(n_models,)`, and their covariance, `(n_models, n_models)`.

    Args:
        truth: 0 or 1, `(n_rows,)`; of both at least two.
        sides: Scores, `(n_models, n_rows)`.
    """
    yes, no = truth == 1, truth != 1
    m, n = int(yes.sum()), int(no.sum())
    wins, losses = np.empty((len(sides), m)), np.empty((len(sides), n))
    for number, scores in enumerate(sides):
        ranks = _midranks(scores)
        wins[number] = (ranks[yes] - _midranks(scores[yes])) / n
        losses[number] = 1 - (ranks[no] - _midranks(scores[no])) / m
    covariance = np.atleast_2d(np.cov(wins)) / m + np.atleast_2d(np.cov(losses)) / n
    return wins.mean(axis=1), np.asarray(covariance, dtype=np.float64)


def _midranks(scores: Floats) -> Floats:
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def _by_bootstrap(metric: Metric, truth: Floats, sides: Floats, alpha: float, repeats: int, seed: int) -> Compared:
    rng = np.random.default_rng(seed)
    if len(truth) > BOOTSTRAP_ROWS:
        kept = rng.choice(len(truth), BOOTSTRAP_ROWS, replace=False)
        truth, sides = truth[kept], sides[:, kept]
    figures = [_figure(metric, truth, side) for side in sides]
    once = np.ones((1, len(truth)))
    values = [float(figure(once)[0]) for figure in figures]
    drawn = np.concatenate([_drawn(figures, rng, len(truth), size) for size in _chunks(repeats)], axis=1)
    candidate = _ends(values[0], drawn[0], alpha)
    if len(values) == 1:
        return Compared(candidate, None, None)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    return Compared(candidate, values[1], _ends(sign * (values[0] - values[1]), sign * (drawn[0] - drawn[1]), alpha))


def _drawn(figures: list[Callable[[Floats], Floats]], rng: np.random.Generator, rows: int, size: int) -> Floats:
    """Return each model's figure in samples with replacement, the same samples for all, `(n_models, size)`."""
    picked = rng.integers(0, rows, (size, rows)) + rows * np.arange(size)[:, None]
    weights = np.bincount(picked.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)
    return np.stack([figure(weights) for figure in figures])


def _chunks(repeats: int) -> list[int]:
    return [min(_CHUNK, repeats - start) for start in range(0, repeats, _CHUNK)]


def _ends(value: float, drawn: Floats, alpha: float) -> Bounds:
    low, high = np.quantile(drawn, [alpha, 1 - alpha])
    return Bounds(value, float(low), float(high))


def _figure(metric: Metric, truth: Floats, side: Floats) -> Callable[[Floats], Floats]:
    """Return a function from weights of rows, `(n_samples, n_rows)`, to the metric in each sample."""
    if metric == "average_precision":
        return _average_precision(truth, side)
    parts = _parts(metric, truth, side)

    def figure(weights: Floats) -> Floats:
        sums = weights @ parts
        return _of_means(metric, sums / weights.sum(axis=1, keepdims=True))

    return figure


def _parts(metric: Metric, truth: Floats, side: Floats) -> Floats:
    """Return what has to be averaged over rows, `(n_rows, n_parts)`."""
    error = side - truth
    match metric:
        case "brier" | "rmse":
            parts = [error**2]
        case "log_loss":
            sure = np.clip(side, _LEAST, 1 - _LEAST)
            parts = [-(truth * np.log(sure) + (1 - truth) * np.log1p(-sure))]
        case "mae":
            parts = [np.abs(error)]
        case "accuracy":
            parts = [(side == truth).astype(np.float64)]
        case "r2":
            parts = [error**2, truth - truth.mean(), (truth - truth.mean()) ** 2]
        case _:
            parts = [truth * side, (1 - truth) * side, truth * (1 - side)]
    return np.stack(parts, axis=1)


def _of_means(metric: Metric, means: Floats) -> Floats:
    first = means[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        match metric:
            case "rmse":
                result = np.sqrt(first)
            case "r2":
                result = 1 - first / (means[:, 2] - means[:, 1] ** 2)
            case "precision":
                result = first / (first + means[:, 1])
            case "recall":
                result = first / (first + means[:, 2])
            case "f1":
                result = 2 * first / (2 * first + means[:, 1] + means[:, 2])
            case _:
                result = first
    return np.nan_to_num(result, nan=0.0, posinf=0.0, neginf=0.0)  # nothing was called positive: the figure is 0


def _average_precision(truth: Floats, side: Floats) -> Callable[[Floats], Floats]:
    order = np.argsort(-side, kind="stable")
    hits = truth[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(side[order])), len(order) - 1)

    def figure(weights: Floats) -> Floats:
        drawn = weights[:, order]
        found = np.cumsum(drawn * hits, axis=1)[:, last_of_ties]
        seen = np.cumsum(drawn, axis=1)[:, last_of_ties]
        gained = np.diff(found, axis=1, prepend=0.0)
        precision = found / np.maximum(seen, 1.0)
        total: Floats = (gained * precision).sum(axis=1) / np.maximum(found[:, -1], 1.0)
        return total

    return figure
