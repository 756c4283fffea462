"""Rows that a gate may try: requests of today's callers first, then held-out rows, then the golden ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.manifest import Golden
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.pipeline.gates.callers import filled, refusals, refused, rows_of

Rows = dict[str, NDArray[np.generic]]


def golden_rows(signature: Signature, golden: Golden) -> Rows:
    """Return a version's golden inputs as the model takes them."""
    return filled(signature, {name: column(values) for name, values in golden.inputs.items()})


def golden_answers(golden: Golden) -> Rows:
    """Return the answers that the version gave to them when it was registered."""
    return {name: column(values) for name, values in golden.outputs.items()}


def column(values: tuple[object, ...]) -> NDArray[np.generic]:
    """Return a column of JSON values: numbers with null are floats with NaN, what holds text is an array of objects."""
    plain = np.asarray([np.nan if one is None else one for one in values])
    if plain.dtype.kind in "fiub":
        return plain
    return np.asarray(values, dtype=object)


def rows_to_try(situation: Situation, side: Side, most: int) -> Rows:
    """Return at most `most` rows that the version takes, drawn by the seed, as its model sees them."""
    signature = side.manifest.signature
    for source in (situation.recent, situation.evaluation.inputs if situation.evaluation else None):
        if source is None:
            continue
        known = {name: values for name, values in source.items() if signature.feature(name) is not None}
        count = rows_of(known)
        taken = np.flatnonzero(~refused(refusals(signature, known), count))
        if len(taken):
            if len(taken) > most:
                taken = np.sort(np.random.default_rng(situation.seed).choice(taken, most, replace=False))
            return filled(signature, {name: values[taken] for name, values in known.items()})
    return {name: values[:most] for name, values in golden_rows(signature, side.manifest.golden).items()}
