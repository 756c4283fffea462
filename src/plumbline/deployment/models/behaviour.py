"""How much a version must rise: contracts compared, then both models asked as yesterday's callers ask.

A contract is what an author declares; what a model does may be another thing. So both are loaded and asked the golden
rows of both and the boundaries of the old contract. A row that the old model answered and the new one refuses breaks
a caller, whatever the declaration says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plumbline.deployment.core.contract import Bump, Change, bump_of, compare
from plumbline.deployment.core.gates import Side
from plumbline.deployment.models import answering, relating
from plumbline.deployment.models.answering import Answer, Asked
from plumbline.deployment.models.probing import Probe, probes

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a change asks for, and why.

    Args:
        changes: Every difference that a caller could notice: declared ones first, then observed ones.
        bump: The largest that any of them asks for; PATCH without any.
        evidence: Counts, rows and answers behind it; values that JSON can hold.
    """

    changes: tuple[Change, ...]
    bump: Bump
    evidence: Mapping[str, Any]


def judge(old: Side, new: Side) -> Judgement:
    """Compare two loaded versions of a model.

    Args:
        old: What callers rely on.
        new: What wants to take its place.
    """
    declared = compare(old.manifest.signature, new.manifest.signature)
    asked = _ask(old, new)
    known = {(change.where, change.bump) for change in declared}
    observed = tuple(one for one in _observed(old, new, asked) if (one.where, one.bump) not in known)
    changes = (*declared, *observed)
    return Judgement(changes, bump_of(changes), _evidence(declared, observed, asked))


def _ask(old: Side, new: Side) -> list[Asked]:
    """Ask both what a caller of the old one may send."""
    before, after = old.manifest, new.manifest
    rows = probes(
        before.signature, _sample(before.golden.inputs), typical=len(next(iter(before.golden.inputs.values())))
    )
    rows += [
        Probe(f"golden row of the new version: {probe.why}", probe.row)
        for probe in probes(after.signature, _sample(after.golden.inputs))
        if set(probe.row) <= {feature.name for feature in before.signature.inputs}
    ]
    sent = [probe.row for probe in rows]
    answers = zip(answering.ask(old.model, sent), answering.ask(new.model, sent), strict=True)
    return [Asked(probe, one, other) for probe, (one, other) in zip(rows, answers, strict=True)]


def _sample(inputs: Mapping[str, Any]) -> dict[str, Any]:
    columns = {}
    for name, values in inputs.items():
        columns[name] = np.empty(len(values), dtype=object)
        columns[name][:] = list(values)
    return columns


def _observed(old: Side, new: Side, asked: list[Asked]) -> Iterator[Change]:
    yield from _refused(asked)
    both = [one for one in asked if one.old.values is not None and one.new.values is not None]
    for output in old.manifest.signature.outputs:
        if new.manifest.signature.output(output.name) is not None:
            promised = new.manifest.signature.output(output.name)
            yield from relating.compare(output, promised or output, both)


def _refused(asked: list[Asked]) -> Iterator[Change]:
    """One change per field and sort of row, not one per row."""
    seen = set()
    for one in asked:
        if (one.old.values is None) == (one.new.values is None):
            continue
        broken = one.new.values is None
        refusal = one.new if broken else one.old
        where = f"input '{refusal.field}'" if refusal.field else "the model"
        if (where, broken) in seen:
            continue
        seen.add((where, broken))
        if broken:
            said = f"a row that was answered is refused now ({one.probe.why}): {refusal.refused}"
            yield Change(Bump.MAJOR, where, said, "answered-row-refused")
        else:
            said = f"a row that was refused is answered now ({one.probe.why}); before: {refusal.refused}"
            yield Change(Bump.MINOR, where, said, "refused-row-answered")


def _evidence(declared: tuple[Change, ...], observed: tuple[Change, ...], asked: list[Asked]) -> dict[str, Any]:
    differing = [one for one in asked if one.old.plain() != one.new.plain()]
    return {
        "asked": len(asked),
        "answered_by_both": sum(one.old.values is not None and one.new.values is not None for one in asked),
        "refused_now": sum(_was(one.old) and not _was(one.new) for one in asked),
        "answered_now": sum(_was(one.new) and not _was(one.old) for one in asked),
        "refused_by_both": sum(not _was(one.new) and not _was(one.old) for one in asked),
        "answered_otherwise": sum(_was(one.old) and _was(one.new) for one in differing),
        "declared": [_plain(change) for change in declared],
        "observed": [_plain(change) for change in observed],
        "rows": [
            {"why": one.probe.why, "sent": one.probe.row, "old": one.old.plain(), "new": one.new.plain()}
            for one in sorted(differing, key=lambda one: _was(one.new) and _was(one.old))[:_SHOWN]
        ],
    }


def _was(answer: Answer) -> bool:
    return answer.values is not None


def _plain(change: Change) -> dict[str, str]:
    return {
        "bump": change.bump.name.lower(),
        "where": change.where,
        "sentence": change.sentence,
        "code": change.code,
    }
