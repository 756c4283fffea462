"""Weights and thresholds, as the evaluation chose them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from plumbline_search.kinds import Kind

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE.parent / "evaluation/weights.json", _PACKAGE / "evaluation/weights.json")


@dataclass(frozen=True, slots=True)
class Weights:
    """How the lanes are summed for one kind of query, and from when on an answer is given.

    Args:
        lexical: Weight of BM25.
        dense: Weight of the embeddings.
        signature: Weight of a matched log signature.
        cosine_share: Share of the best cosine in the confidence; the rest is how many of the query's words are held.
        hybrid_threshold: Confidence (0 to 1) below which there is no guide.
        lexical_threshold: The same without embeddings.
    """

    lexical: float
    dense: float
    signature: float
    cosine_share: float
    hybrid_threshold: float
    lexical_threshold: float

    def lanes(self) -> dict[str, float]:
        """Return the weight by lane."""
        return {"lexical": self.lexical, "dense": self.dense, "signature": self.signature}


@cache
def weights() -> dict[Kind, Weights]:
    """Return the shipped weights by kind of query."""
    for place in _PLACES:
        if place.is_file():
            return parse(json.loads(place.read_text(encoding="utf-8")))
    raise FileNotFoundError(f"{_PLACES[-1]}: the weights are missing from this installation; install plumbline again")


def parse(stored: dict[str, Any]) -> dict[Kind, Weights]:
    """Read the file's `kinds`.

    Raises:
        KeyError, TypeError: A kind or a figure is missing.
    """
    return {kind: Weights(**stored["kinds"][kind.value]) for kind in Kind}
