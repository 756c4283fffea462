"""What a robustness gate does to rows: each disturbance gives rows that the contract still allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.signature import Feature, Signature
from plumbline.deployment.pipeline.gates.rows import Rows

UNSEEN = "\u2301 never seen in training"


def noisy(signature: Signature, rows: Rows, noise: float, rng: np.random.Generator) -> Rows | None:
    """Return rows with noise on every fraction, in standard deviations of the feature; None if there is none."""
    changed = dict(rows)
    for feature in _numbers(signature, "float"):
        values = np.asarray(rows[feature.name], dtype=np.float64)
        spread = float(np.nan_to_num(np.nanstd(values))) if np.isfinite(values).any() else 0.0
        moved = values + rng.normal(0.0, 1.0, values.shape) * noise * spread
        changed[feature.name] = np.clip(moved, feature.minimum, feature.maximum) if _bounded(feature) else moved
    return changed if any(changed[name] is not rows[name] for name in rows) else None


def without(signature: Signature, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """Return rows in which a feature that may be missing is missing, one feature after the other, then all of them."""
    may = [feature for feature in signature.inputs if feature.nullable]
    for feature in may:
        yield feature.name, {**rows, feature.name: _missing(feature, rows[feature.name])}
    if len(may) > 1:
        yield "all that may be", {**rows, **{one.name: _missing(one, rows[one.name]) for one in may}}


def at_bounds(signature: Signature, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """Return rows in which one feature stands at its lowest or highest valid value, or at each of its choices."""
    for feature in signature.inputs:
        for value in (feature.minimum, feature.maximum, *(feature.choices or ())):
            if value is not None:
                yield f"{feature.name} = {value}", {**rows, feature.name: _all(rows[feature.name], value)}


def far_out(signature: Signature, rows: Rows, distance: float) -> Iterator[tuple[str, Rows]]:
    """Return rows with values that no contract forbids and no training saw: far away numbers, unseen words.

    Args:
        signature: The contract.
        rows: Rows to start from.
        distance: In standard deviations of the feature.
    """
    for feature in _numbers(signature, "float", "int"):
        values = np.asarray(rows[feature.name], dtype=np.float64)
        known = values[np.isfinite(values)]
        middle, spread = (float(known.mean()), float(known.std()) or 1.0) if known.size else (0.0, 1.0)
        for sign, bound in ((-1, feature.minimum), (1, feature.maximum)):
            if bound is None and feature.choices is None:
                value = middle + sign * distance * spread
                yield f"{feature.name} = {value:.3g}", {**rows, feature.name: _all(rows[feature.name], value)}
    for feature in signature.inputs:
        if feature.kind == "string" and feature.choices is None:
            yield f"{feature.name} = an unseen word", {**rows, feature.name: _all(rows[feature.name], UNSEEN)}


def reordered(rows: Rows, rng: np.random.Generator) -> Iterator[Rows]:
    """Return the same rows with their columns in other orders: backwards, and twice at random."""
    names = list(rows)
    yield {name: rows[name] for name in reversed(names)}
    for _ in range(2):
        yield {names[number]: rows[names[number]] for number in rng.permutation(len(names))}


def _numbers(signature: Signature, *kinds: str) -> list[Feature]:
    return [one for one in signature.inputs if one.kind in kinds and (one.choices is None)]


def _bounded(feature: Feature) -> bool:
    return feature.minimum is not None or feature.maximum is not None


def _missing(feature: Feature, values: NDArray[np.generic]) -> NDArray[np.generic]:
    if feature.kind == "string":
        return np.full(values.shape, "", dtype=object)  # as `prepare` gives it to the model
    return np.full(values.shape, np.nan)


def _all(values: NDArray[np.generic], value: Any) -> NDArray[np.generic]:
    if isinstance(value, str):
        return np.full(values.shape, value, dtype=object)
    if values.dtype.kind in "iu":
        limits = np.iinfo(str(values.dtype))
        return np.full(values.shape, int(np.clip(value, limits.min / 2, limits.max / 2)), dtype=values.dtype)
    return np.full(values.shape, value, dtype=values.dtype)
