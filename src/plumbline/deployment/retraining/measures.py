"""How good the answers were, and how far the inputs have moved: the figures that retraining rules look at. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 10
"""Ranges into which the training values are cut, as many in each (the usual number for the index)."""

_FLOOR = 1e-4  # a share of 0 would make the index infinite


def performance(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> dict[str, float]:
    """Return measures by name: of labels 0 and 1 `roc_auc`, `brier`, `accuracy`, of others `mae`, `rmse`, `bias`.

    Args:
        scores: Probability of label 1, or the predicted value, `(n_rows,)`.
        labels: What came true, `(n_rows,)`.

    Returns:
        Nothing of no rows; no `roc_auc` while only one of both labels occurred.
    """
    if not len(labels):
        return {}
    error = scores - labels
    if not np.isin(labels, (0.0, 1.0)).all():
        squared = float(np.sqrt((error**2).mean()))
        return {"mae": float(np.abs(error).mean()), "rmse": squared, "bias": float(error.mean())}
    found = {"brier": float((error**2).mean()), "accuracy": float(((scores >= 0.5) == (labels == 1)).mean())}
    ones = int(labels.sum())
    zeros = len(labels) - ones
    if ones and zeros:  # the statistic of Mann and Whitney (1947): zeros below each one, ties at half
        low, above = np.sort(scores[labels == 0]), scores[labels == 1]
        below = np.searchsorted(low, above, "left") + np.searchsorted(low, above, "right")
        found["roc_auc"] = float(below.sum()) / 2 / (ones * zeros)
    return found


def stability(training: NDArray[np.float64], recent: NDArray[np.float64]) -> float | None:
    """Return the population stability index of two samples; None where one is empty.

    Args:
        training: Values that the model was trained on, finite, `(n,)`.
        recent: Values that come now, finite, `(m,)`.

    Returns:
        0 for the same distribution; by convention above 0.1 a change, above 0.2 a large one (Siddiqi, 2006).
    """
    if not len(training) or not len(recent):
        return None
    edges = np.unique(np.quantile(training, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, one, side="left"), minlength=len(edges) + 1) for one in (training, recent)
    ]
    return _index(counts[0] / len(training), counts[1] / len(recent))


def stability_of_words(training: list[str], recent: list[str]) -> float | None:
    """Return the same index for categories; each word is a range."""
    if not training or not recent:
        return None
    words = sorted({*training, *recent})
    place = {word: number for number, word in enumerate(words)}
    shares = [np.bincount([place[word] for word in one], minlength=len(words)) / len(one) for one in (training, recent)]
    return _index(shares[0], shares[1])


def _index(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    low, high = np.maximum(one, _FLOOR), np.maximum(other, _FLOOR)
    return float(((high - low) * np.log(high / low)).sum())
