"""Features as served, held against the same features as training computes them.

Rows with a common key are compared cell by cell: the same customer at the same moment must have the same features,
whatever the world does. Without keys only distributions can be compared, by their quantiles.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from plumbline.deployment.probes.rows import Cell, Row

PAIRS = 100
"""Newest pairs that are compared: few, so that a mended service is soon seen as mended."""
SAME = 1e-3
"""Numbers that differ relatively by less are the same: float32 on the way costs 1e-6, rounding for a log 1e-4."""
FEWEST = 50
"""Values on either side below which no distribution is compared."""
_CUTS = 20
_PAIR_ALIKE, _CUT_ALIKE = 0.01, 0.1
_BAND = 2
"""A quantile is where it was if it lies between training's quantiles 10 % below and above it."""


@dataclass(slots=True)
class Difference:
    """How one feature differs; `of` cells (or quantiles) were compared."""

    name: str
    of: int = 0
    differing: int = 0
    filled: int = 0
    emptied: int = 0
    stale: int = 0
    ends: list[tuple[float, float]] = field(default_factory=list)

    def alike(self, within: float) -> dict[str, Any]:
        """Return the ratio and the shift from training to serving, and how many differing cells have it."""
        ratios = [served / trained for trained, served in self.ends if trained]
        shifts = [served - trained for trained, served in self.ends]
        if len({trained for trained, _ in self.ends}) < 2:  # one point lies on any line
            return {}
        ratio, shift = median(ratios or [1.0]), median(shifts)
        return {
            "ratio": ratio,
            "ratio_alike": sum(abs(one - ratio) <= within * abs(ratio) for one in ratios),
            "shift": shift,
            "shift_alike": sum(abs(one - shift) <= within * abs(shift) for one in shifts),
        }


def compared(served: Sequence[Row], trained: Sequence[Row]) -> dict[str, Any]:
    """Return the fields of `Skew`."""
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in trained:
        if row.key is not None:
            by_key[row.key].append(row)
    keyed = [one for one in served if one.key in by_key][-PAIRS:]
    pairs = [(row, *_matched(row, by_key[row.key or ""])) for row in keyed]
    names = _common(served, trained)
    used = {id(match) for _, match, _ in pairs}
    before = [row for row in trained if id(row) not in used]
    shapes = [_shape(name, _cells(before, name), _cells(served, name)) for name in names]
    found = [_cellwise(name, pairs) for name in names] if pairs else shapes
    worst = max(found, key=lambda one: (one.differing, one.of), default=Difference(""))
    return {
        "rows": len(pairs) or len(served),
        "paired": bool(pairs),
        "features": len(names),
        "feature": worst.name if worst.differing else "",
        "others": tuple(one.name for one in found if one.differing and one is not worst),
        "of": worst.of,
        "differing": worst.differing,
        "filled": worst.filled,
        "emptied": worst.emptied,
        "stale": worst.stale,
        "moved": tuple(one.name for one in shapes if 2 * one.differing > one.of),
        **worst.alike(_PAIR_ALIKE if pairs else _CUT_ALIKE),
    }


def _common(served: Sequence[Row], trained: Sequence[Row]) -> list[str]:
    seen = {name for row in served for name in row.values}
    return list(dict.fromkeys(name for row in trained for name in row.values if name in seen))


def _matched(row: Row, candidates: list[Row]) -> tuple[Row, list[Row]]:
    """Return what training computes for a served row: the newest of that key that is not from its future; the rest."""
    ordered = sorted(candidates, key=lambda one: one.at or 0.0)
    known = [one for one in ordered if row.at is None or one.at is None or one.at <= row.at] or ordered[:1]
    return known[-1], known[:-1]


def _cellwise(name: str, pairs: Sequence[tuple[Row, Row, list[Row]]]) -> Difference:
    found = Difference(name)
    for row, match, earlier in pairs:
        got, want = row.values.get(name), match.values.get(name)
        found.of += 1
        if _same(got, want):
            continue
        found.differing += 1
        found.filled += want is None
        found.emptied += got is None
        found.stale += got is not None and any(_same(got, one.values.get(name)) for one in earlier)
        if isinstance(got, float) and isinstance(want, float):
            found.ends.append((want, got))
    return found


def _same(got: Cell, want: Cell) -> bool:
    if isinstance(got, float) and isinstance(want, float):
        return math.isclose(got, want, rel_tol=SAME, abs_tol=1e-9)
    return got == want


def _cells(rows: Sequence[Row], name: str) -> list[Cell]:
    return [row.values.get(name) for row in rows]


def _shape(name: str, trained: list[Cell], served: list[Cell]) -> Difference:
    """Compare two distributions: 19 quantiles of the numbers, and the share that is missing as a twentieth."""
    found = Difference(name)
    if len(trained) < FEWEST or len(served) < FEWEST:
        return found
    gap = served.count(None) / len(served) - trained.count(None) / len(trained)
    if abs(gap) >= 1 / 10:
        found.filled, found.emptied = (_CUTS, 0) if gap < 0 else (0, _CUTS)
        found.of = found.differing = _CUTS
        return found
    before, now = ([one for one in cells if isinstance(one, float)] for cells in (trained, served))
    if min(len(before), len(now)) < FEWEST:
        return found
    cuts = list(zip(quantiles(before, n=_CUTS), quantiles(now, n=_CUTS), strict=True))
    found.of = len(cuts)
    for at, (want, got) in enumerate(cuts):
        low = cuts[at - _BAND][0] if at >= _BAND else min(before)
        high = cuts[at + _BAND][0] if at + _BAND < len(cuts) else max(before)
        if not low <= got <= high and not _same(got, want):
            found.differing += 1
            found.ends.append((want, got))
    return found
