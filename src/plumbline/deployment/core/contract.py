"""Does a caller of the old model still get what it relies on from the new one? Compares two signatures.

A caller sends what the old signature allows and understands what it promises. Inputs may thus become wider and outputs
narrower without anybody noticing; the other way round breaks somebody. What only adds is minor.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from plumbline.deployment.core.signature import Feature, Output, Signature


class Bump(enum.IntEnum):
    """How much a version must rise at least (semver.org 2.0.0, with a model's contract as the public interface)."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Args:
        bump: What it asks for.
        where: `input 'age'`, `output 'score'`.
        sentence: What changed, and for whom it matters.
        code: Stable name of this kind of change, `input-removed`.
    """

    bump: Bump
    where: str
    sentence: str
    code: str


def bump_of(changes: Iterable[Change]) -> Bump:
    """Return the largest bump that any change asks for; PATCH without changes."""
    return max((change.bump for change in changes), default=Bump.PATCH)


def compare(old: Signature, new: Signature) -> tuple[Change, ...]:
    """Return every difference that a caller could notice, inputs first, in the order of the old signature."""
    return (*_inputs(old, new), *_outputs(old, new))


def _inputs(old: Signature, new: Signature) -> Iterator[Change]:
    for before in old.inputs:
        after = new.feature(before.name)
        where = f"input '{before.name}'"
        if after is None:
            yield Change(Bump.MAJOR, where, "is gone: who still sends it is refused", "input-removed")
        else:
            yield from _typed(where, before, after, inward=True)
            yield from _presence(where, before, after)
            yield from _range(where, before, after, inward=True)
            yield from _choices(where, before, after)
    for after in new.inputs:
        if old.feature(after.name) is None:
            where = f"input '{after.name}'"
            if after.required:
                yield Change(Bump.MAJOR, where, "is new and required: nobody sends it yet", "input-added-required")
            else:
                yield Change(Bump.MINOR, where, "is new and optional", "input-added-optional")


def _outputs(old: Signature, new: Signature) -> Iterator[Change]:
    for before in old.outputs:
        after = new.output(before.name)
        where = f"output '{before.name}'"
        if after is None:
            yield Change(Bump.MAJOR, where, "is gone: who reads it finds nothing", "output-removed")
        else:
            yield from _typed(where, before, after, inward=False)
            yield from _range(where, before, after, inward=False)
            yield from _classes(where, before, after)
    for after in new.outputs:
        if old.output(after.name) is None:
            yield Change(Bump.MINOR, f"output '{after.name}'", "is new", "output-added")


def _typed(where: str, before: Feature | Output, after: Feature | Output, *, inward: bool) -> Iterator[Change]:
    if before.kind != after.kind:
        if inward and (before.kind, after.kind) == ("int", "float"):
            yield Change(Bump.MINOR, where, "takes fractions now, and integers still", "input-widened")
        else:
            yield Change(Bump.MAJOR, where, f"was {before.kind} and is {after.kind}", "type-changed")
    if before.shape != after.shape:
        if inward and _holds(after.shape, before.shape):
            yield Change(Bump.MINOR, where, "takes more shapes than before", "input-widened")
        else:
            was, now = _shape(before.shape), _shape(after.shape)
            yield Change(Bump.MAJOR, where, f"had shape {was} per row and has {now}", "shape-changed")


def _holds(wide: tuple[int | None, ...], narrow: tuple[int | None, ...]) -> bool:
    return len(wide) == len(narrow) and all(w is None or w == n for w, n in zip(wide, narrow, strict=True))


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('any' if length is None else str(length) for length in shape)}]"


def _presence(where: str, before: Feature, after: Feature) -> Iterator[Change]:
    if before.required and not after.required:
        yield Change(Bump.MINOR, where, "was required and is optional", "input-became-optional")
    if not before.required and after.required:
        yield Change(Bump.MAJOR, where, "was optional and is required", "input-became-required")
    if before.nullable and not after.nullable:
        yield Change(Bump.MAJOR, where, "took missing values and refuses them now", "missing-values-refused")
    if not before.nullable and after.nullable:
        yield Change(Bump.MINOR, where, "takes missing values now", "missing-values-taken")
    if not before.required and not after.required and before.default != after.default:
        yield Change(
            Bump.MAJOR,
            where,
            f"without it the model saw {before.default!r} and sees {after.default!r} now: "
            "who leaves it out gets another answer",
            "default-changed",
        )


def _range(where: str, before: Feature | Output, after: Feature | Output, *, inward: bool) -> Iterator[Change]:
    narrower = _below(before.minimum, after.minimum) or _below(after.maximum, before.maximum, upper=True)
    wider = _below(after.minimum, before.minimum) or _below(before.maximum, after.maximum, upper=True)
    was, now = _span(before), _span(after)
    if narrower:
        code = "range-narrowed"
        yield Change(Bump.MAJOR if inward else Bump.MINOR, where, f"was valid {was} and is {now}", code)
    if wider:
        code = "range-widened"
        yield Change(Bump.MINOR if inward else Bump.MAJOR, where, f"was valid {was} and is {now}", code)


def _below(one: float | None, other: float | None, *, upper: bool = False) -> bool:
    """Return whether `one` bounds less than `other` from below (or, with `upper`, lies below it as an upper bound)."""
    if upper:
        return one is not None and (other is None or one < other)
    return other is not None and (one is None or one < other)


def _span(field: Feature | Output) -> str:
    if field.minimum is None and field.maximum is None:
        return "anywhere"
    low = "-∞" if field.minimum is None else f"{field.minimum:g}"
    high = "∞" if field.maximum is None else f"{field.maximum:g}"
    return f"from {low} to {high}"


def _choices(where: str, before: Feature, after: Feature) -> Iterator[Change]:
    if after.choices is not None:
        gone = None if before.choices is None else [one for one in before.choices if one not in after.choices]
        if gone is None:
            yield Change(Bump.MAJOR, where, "took any value and takes only listed ones now", "choices-limited")
        elif gone:
            yield Change(Bump.MAJOR, where, f"no longer takes {_listed(gone)}", "choice-removed")
    if before.choices is not None:
        fresh = None if after.choices is None else [one for one in after.choices if one not in before.choices]
        if fresh is None:
            yield Change(Bump.MINOR, where, "takes any value now", "choices-unlimited")
        elif fresh:
            yield Change(Bump.MINOR, where, f"takes {_listed(fresh)} too", "choice-added")


def _classes(where: str, before: Output, after: Output) -> Iterator[Change]:
    was, now = before.classes, after.classes
    if was == now:
        return
    if was is None or now is None:
        bump = Bump.MINOR if was is None else Bump.MAJOR
        yield Change(bump, where, "names its classes now" if was is None else "no longer names its classes", "classes")
        return
    gone = [one for one in was if one not in now]
    fresh = [one for one in now if one not in was]
    if gone:
        yield Change(Bump.MAJOR, where, f"never answers {_listed(gone)} any more", "class-removed")
    elif now[: len(was)] != was:
        yield Change(Bump.MAJOR, where, "gives its classes in another order: who reads by place errs", "class-order")
    if fresh:
        yield Change(Bump.MINOR, where, f"may answer {_listed(fresh)} too", "class-added")


def _listed(values: list[float | int | bool | str]) -> str:
    shown = ", ".join(repr(value) for value in values[:5])
    return shown if len(values) <= 5 else f"{shown} and {len(values) - 5} more"
