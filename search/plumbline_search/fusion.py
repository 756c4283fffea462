"""Fusion: each lane's scores scaled to 0 to 1, then summed with the weights of the query's kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fused:
    """Scores of all pages.

    Args:
        total: The weighted sum; shape (n_pages,).
        lanes: What each lane gave to it; each of shape (n_pages,).
    """

    total: Scores
    lanes: dict[str, Scores]


def min_max(scores: Scores) -> Scores:
    """Scale scores to 0 to 1; a lane that tells no page from another says nothing (all 0).

    Args:
        scores: Any finite scores, shape (n,).
    """
    if scores.size == 0:
        return scores
    low, high = float(scores.min()), float(scores.max())
    if not high > low:
        return np.zeros_like(scores)
    # float64 inside: a range near the smallest float32 would lose the order
    scaled = (scores.astype(np.float64) - low) / (high - low)
    return np.clip(scaled, 0.0, 1.0).astype(np.float32)


def fuse(lanes: dict[str, Scores], weights: dict[str, float]) -> Fused:
    """Sum the scaled lanes.

    Args:
        lanes: Raw scores by lane, all of shape (n_pages,).
        weights: Weight by lane, 0 or more; a lane without weight counts nothing.

    Raises:
        ValueError: The lanes differ in length.
    """
    sizes = {scores.shape for scores in lanes.values()}
    if len(sizes) != 1:
        raise ValueError(f"the lanes score different numbers of pages: {sorted(sizes)}")
    parts = {name: min_max(scores) * np.float32(weights.get(name, 0.0)) for name, scores in lanes.items()}
    total = np.zeros(sizes.pop(), dtype=np.float32)
    for part in parts.values():
        total += part
    return Fused(total, parts)


def ranked(scores: Scores) -> list[int]:
    """Return the positions from best to worst; equal scores keep their order, so a ranking repeats exactly."""
    return [int(position) for position in np.argsort(-scores, kind="stable")]
