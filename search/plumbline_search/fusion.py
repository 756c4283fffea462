"""Fusion: each lane's scores scaled to 0 to 1, then summed with the weights of the query's kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
"""What a lane gives."""
Scaled = NDArray[np.float64]
"""Scaled and summed in double precision: in single, scores that differ could become equal and change their order."""


@dataclass(frozen=True, slots=True)
class Fused:
    """Scores of all pages.

    Args:
        total: The weighted sum; shape (n_pages,).
        lanes: What each lane gave to it; each of shape (n_pages,).
    """

    total: Scaled
    lanes: dict[str, Scaled]


def min_max(scores: Scores) -> Scaled:
    """Scale scores to 0 to 1; a lane that tells no page from another says nothing (all 0).

    Args:
        scores: Any finite scores, shape (n,).
    """
    exact = scores.astype(np.float64)
    if exact.size == 0:
        return exact
    low, high = float(exact.min()), float(exact.max())
    if not high > low:
        return np.zeros_like(exact)
    return np.clip((exact - low) / (high - low), 0.0, 1.0)


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
    parts = {name: min_max(scores) * weights.get(name, 0.0) for name, scores in lanes.items()}
    total = np.zeros(sizes.pop(), dtype=np.float64)
    for part in parts.values():
        total += part
    return Fused(total, parts)


def ranked(scores: Scores | Scaled) -> list[int]:
    """Return the positions from best to worst; equal scores keep their order, so a ranking repeats exactly."""
    return [int(position) for position in np.argsort(-scores, kind="stable")]
