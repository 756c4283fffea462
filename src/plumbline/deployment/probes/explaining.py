"""Why are answers wrong? The questions are changed until the answers are right: the change names the cause.

A guess must make *every* answer right, also those that were right by chance, so it is no accident itself. The wrong
ones are asked first: the first of them weeds nearly all guesses out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from typing import Any

from plumbline.deployment.probes.asking import Server
from plumbline.deployment.probes.golden import Columns, Question, missing

_EVERY_ORDER = 5  # 120 questions; of more columns, orders that programs make, and single exchanges
_SCALES = (1000, 100, 60, 3600, 24, 12, 10, 7, 30.4375, 365.25, 86400, 1e6, 1024, 2.54, 1.609344, 0.45359237, -1)
_SHIFTS = (1.0, 273.15, 3600.0)
NUMBERS = ("FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")


def order(server: Server, asked: Sequence[Question]) -> tuple[str, ...]:
    """Return features whose values must stand under each other's names to be understood; empty: no order explains it.

    Exchanges of two are tried first, then the orders that programs make, then, of few columns, all.
    """
    for names in _orders(asked[0]):
        if not server.in_time:
            break
        if all(_right(server, one, _exchanged(one.columns, names)) for one in asked):
            return tuple(name for name, other in names.items() if name != other)
    return ()


def _orders(question: Question) -> Iterator[dict[str, str]]:
    """Yield guesses: under which name goes the value of which feature."""
    alike: dict[str, list[str]] = {}
    for name, datatype in question.datatypes.items():
        alike.setdefault(datatype, []).append(name)
    for names in alike.values():
        yield from ({**{name: name for name in question.columns}, a: b, b: a} for a, b in combinations(names, 2))
    sent = list(question.columns)
    for other in (sorted(sent), sorted(sent, key=str.lower), sent[::-1], sent[1:] + sent[:1], sent[-1:] + sent[:-1]):
        yield dict(zip(sent, other, strict=True))
        yield dict(zip(other, sent, strict=True))
    if len(sent) <= _EVERY_ORDER:
        yield from (dict(zip(sent, other, strict=True)) for other in permutations(sent))


def _exchanged(columns: Columns, names: dict[str, str]) -> Columns:
    return {name: columns[names[name]] for name in columns}


def unit(server: Server, asked: Sequence[Question]) -> tuple[str, str]:
    """Return a feature and what its values must go through to be understood (`times 100`); empty texts: none does."""
    for name, datatype in asked[0].datatypes.items():
        if datatype not in NUMBERS:
            continue
        for word, factor, shift in _units():
            if not server.in_time:
                return "", ""
            if all(_right(server, one, _changed(one.columns, name, factor, shift)) for one in asked):
                return name, word
    return "", ""


def _units() -> Iterator[tuple[str, float, float]]:
    for scale in _SCALES:
        yield f"times {scale:g}", scale, 0.0
        if scale != -1:
            yield f"divided by {scale:g}", 1 / scale, 0.0
    yield "times 1.8, plus 32", 1.8, 32.0
    yield "minus 32, divided by 1.8", 1 / 1.8, -32 / 1.8
    for shift in _SHIFTS:
        yield f"plus {shift:g}", 1.0, shift
        yield f"minus {shift:g}", 1.0, -shift


def _changed(columns: Columns, name: str, factor: float, shift: float) -> Columns:
    whole = all(isinstance(cell, int) for cell in columns[name])
    changed = tuple(cell if missing(cell) else cell * factor + shift for cell in columns[name])
    return {**columns, name: tuple(round(cell) for cell in changed) if whole and None not in changed else changed}


def ignored(server: Server, asked: Sequence[Question]) -> tuple[str, ...]:
    """Return features whose value does not matter: each question is answered alike with any value of the others."""
    found = []
    for name in asked[0].columns:
        others = sorted({repr(one.columns[name]): one.columns[name] for one in asked}.items())
        if len(others) > 1 and server.in_time and all(_unmoved(server, one, name, dict(others)) for one in asked[:4]):
            found.append(name)
    return tuple(found)


def _unmoved(server: Server, question: Question, name: str, others: dict[str, tuple[Any, ...]]) -> bool:
    own = server.infer(question.body())
    ends = [cells for key, cells in others.items() if key != repr(question.columns[name])]
    given = [server.infer(question.body({**question.columns, name: cells})) for cells in (ends[0], ends[-1])]
    return own.given and all(one.outputs == own.outputs for one in given)


def _right(server: Server, question: Question, columns: Columns) -> bool:
    return question.answered(server.infer(question.body(columns)))
