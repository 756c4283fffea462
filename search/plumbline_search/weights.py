"""Weights and confidence, as the evaluation chose them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from plumbline_search.confidence import Calibration
from plumbline_search.kinds import Kind

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE.parent / "evaluation/weights.json", _PACKAGE / "evaluation/weights.json")


@dataclass(frozen=True, slots=True)
class Weights:
    """How the lanes are summed for one kind of query, and how sure that makes.

    Args:
        lexical: Weight of BM25.
        dense: Weight of the embeddings.
        signature: Weight of a matched log signature.
        guide: What a guide has ahead of other pages, so that a symptom finds what mends it before what mentions it.
        hybrid_sure: Confidence of a hybrid answer.
        lexical_sure: Confidence of a lexical one.
    """

    lexical: float
    dense: float
    signature: float
    guide: float
    hybrid_sure: Calibration
    lexical_sure: Calibration

    def lanes(self, *, embedded: bool = True) -> dict[str, float]:
        """Return the weight by lane; without embeddings BM25 has their weight too."""
        lexical, dense = (self.lexical, self.dense) if embedded else (self.lexical + self.dense, 0.0)
        return {"lexical": lexical, "dense": dense, "signature": self.signature, "guide": self.guide}


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
    return {kind: _weights(stored["kinds"][kind.value]) for kind in Kind}


def _weights(stored: dict[str, Any]) -> Weights:
    hybrid, lexical = Calibration(**stored["hybrid_sure"]), Calibration(**stored["lexical_sure"])
    return Weights(**{**stored, "hybrid_sure": hybrid, "lexical_sure": lexical})
