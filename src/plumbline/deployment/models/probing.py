"""Rows worth asking: typical ones, each bound and category, each missing value, each optional feature left out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plumbline.deployment.core.signature import Feature, Signature
from plumbline.deployment.models.tables import Columns
from plumbline.deployment.models.values import is_missing

TYPICAL = 8
"""How many rows of the data itself are asked."""
MOST_CHOICES = 32
"""Of one feature; of more categories the first are asked."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One row.

    Args:
        why: `typical`, `minimum of age`, `plan is free`, `age missing`, `age left out`, …
        row: As a caller would send it; what is left out is not there.
    """

    why: str
    row: dict[str, Any]


def probes(signature: Signature, sample: Columns, *, typical: int = TYPICAL, seed: int = 0) -> list[Probe]:
    """Return rows worth asking, each once; the same for the same arguments.

    Args:
        signature: What may be sent.
        sample: Rows that the model knows, by feature.
        typical: How many rows of the sample, at least 1; more rows than it has are all of it.
        seed: Of the choice among them.
    """
    rows = _rows(signature, sample)
    whole = [number for number, row in enumerate(rows) if None not in row.values()] or list(range(len(rows)))
    chosen = sorted(random.Random(seed).sample(range(len(rows)), min(typical, len(rows))))  # noqa: S311 (not a secret)
    found = [Probe("typical", rows[number]) for number in chosen]
    found += _boundaries(signature, rows, rows[whole[0]])
    once: dict[str, Probe] = {}
    for probe in found:
        once.setdefault(repr(sorted(probe.row.items())), probe)
    return list(once.values())


def _rows(signature: Signature, sample: Columns) -> list[dict[str, Any]]:
    columns = {feature.name: _plain(sample[feature.name]) for feature in signature.inputs if feature.name in sample}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain(values: Any) -> list[Any]:
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    return [None if is_missing(one) else one for one in listed]


def _boundaries(signature: Signature, rows: list[dict[str, Any]], base: dict[str, Any]) -> Iterator[Probe]:
    for feature in signature.inputs:
        yield from _extremes(feature, rows, base)
        for choice in (feature.choices or ())[:MOST_CHOICES]:
            yield Probe(f"{feature.name} is {choice}", base | {feature.name: choice})
        if feature.nullable:
            yield Probe(f"{feature.name} missing", base | {feature.name: None})
        if not feature.required:
            yield Probe(f"{feature.name} left out", _without(base, feature.name))
    nullable: Mapping[str, Any] = {feature.name: None for feature in signature.inputs if feature.nullable}
    if len(nullable) > 1:
        yield Probe("all that may be missing is", {**base, **nullable})


def _extremes(feature: Feature, rows: list[dict[str, Any]], base: dict[str, Any]) -> Iterator[Probe]:
    if feature.shape or feature.kind not in ("float", "int"):
        return
    seen = [row[feature.name] for row in rows if row.get(feature.name) is not None]
    for what, bound, extreme in (("minimum", feature.minimum, min), ("maximum", feature.maximum, max)):
        value = bound if bound is not None else extreme(seen, default=None)
        if value is not None:
            typed = int(value) if feature.kind == "int" else float(value)
            yield Probe(f"{what} of {feature.name}", base | {feature.name: typed})


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
