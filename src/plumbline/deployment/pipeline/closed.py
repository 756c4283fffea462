"""Plain data held against frozen dataclasses: every wrong key or value is told with its place and what was meant."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from plumbline.deployment.core.durations import seconds
from plumbline.deployment.core.errors import DeploymentError, InvalidError

Value = TypeVar("Value")
Place = tuple[str | int, ...]


def key(field: str) -> str:
    """Return the word in the file for a field: a field in seconds has `_s`, the file gives the unit with the value."""
    return field.removesuffix("_s")


CLOSED = ConfigDict(extra="forbid", alias_generator=key, use_attribute_docstrings=False)
"""For `__pydantic_config__` of each dataclass that stands in a file."""


def _seconds(given: Any) -> float:
    try:
        return seconds(given, "this")
    except DeploymentError as error:
        raise ValueError(error.sentence.removeprefix("this ")) from None


Seconds = Annotated[float, BeforeValidator(_seconds)]
"""`90s`, `30min`, `12h`; a bare number is in seconds."""
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, gt=0, le=1)]
Level = Annotated[float, Field(strict=True, gt=0, lt=1)]
Count = Annotated[int, Field(strict=True, ge=1)]
Name = Annotated[str, Field(min_length=1)]


@dataclasses.dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that does not fit.

    Args:
        place: Keys and indices that lead to it.
        sentence: What is wrong, and what would be right.
    """

    place: Place
    sentence: str


def fit(kind: type[Value], data: Any) -> tuple[Value | None, tuple[Wrong, ...]]:
    """Return the value, or None and everything that is wrong with the data."""
    try:
        return typing.cast("Value", _adapter(typing.cast("Any", kind)).validate_python(data)), ()
    except ValidationError as failed:
        return None, tuple(_wrong(kind, one) for one in _telling(failed.errors(include_url=False)))


def settings(kind: type[Value], data: Mapping[str, Any], where: str) -> Value:
    """Return settings that were given in Python or read already.

    Raises:
        InvalidError: They do not fit; the sentence names the first that does not.
    """
    value, wrong = fit(kind, dict(data))
    if value is None:
        place = ".".join(str(step) for step in wrong[0].place)
        raise InvalidError(f"{where}: {wrong[0].sentence}", where=where, field=place)
    return value


def keys(kind: Any) -> Iterator[str]:
    """Return the keys that a dataclass has in a file, in order."""
    for field in dataclasses.fields(kind):
        yield key(field.name)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _telling(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Return errors that tell something, a misspelt key before the key that is missing for it.

    A list that is too short only because its items are wrong tells nothing.
    """
    deeper = {
        one["loc"][: len(other["loc"])] for one in errors for other in errors if len(one["loc"]) > len(other["loc"])
    }
    told = [one for one in errors if one["type"] != "too_short" or one["loc"] not in deeper]
    return sorted(told, key=lambda one: one["type"].startswith("missing"))


def _wrong(kind: Any, detail: ErrorDetails) -> Wrong:
    place = _place(kind, detail["loc"])
    word = ".".join(str(step) for step in place)
    said = detail["msg"].removeprefix("Value error, ")
    match detail["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            known = sorted(set(_known(kind, place[:-1])))
            return Wrong(place, f"there is no '{place[-1]}' here{_meant(str(place[-1]), known)}")
        case "missing" | "missing_argument":
            return Wrong(place, f"'{word}' is missing")
        case "dataclass_type" | "dataclass_exact_type":
            known = list(_known(kind, place))
            return Wrong(place, f"{_at(word)}expected keys ({', '.join(known)}), found {_kind(detail['input'])}")
        case "literal_error" | "union_tag_invalid":
            given = detail["input"]["kind"] if isinstance(detail["input"], dict) else detail["input"]
            context = detail.get("ctx", {})
            expected = str(context.get("expected", context.get("expected_tags", "")))
            known = [one.strip(" '") for one in expected.replace(" or ", ", ").split(",")]
            return Wrong(place, f"{_at(word)}there is no '{given}'{_meant(str(given), known)}")
    if isinstance(detail["input"], dict | list) or detail["type"] == "value_error":
        return Wrong(place, f"{_at(word)}{said}")
    return Wrong(place, f"{_at(word)}{said}, found {_kind(detail['input'])}")


def _at(word: str) -> str:
    return f"'{word}': " if word else ""


def _place(kind: Any, loc: Place) -> Place:
    """Return the place in the file: pydantic adds the branch of a union that it tried."""
    tags = {tag for one in _dataclasses(kind) for tag in _tags(one)}
    return tuple(step for number, step in enumerate(loc) if step not in tags or number in (0, len(loc)))


def _tags(kind: Any) -> tuple[str, ...]:
    """Return what tells a branch of a union: a `kind` that can be one word only."""
    words = typing.get_args(typing.get_type_hints(kind).get("kind"))
    return words if len(words) == 1 else ()


def _known(kind: Any, place: Place) -> Iterator[str]:
    """Return the keys that may stand at a place; of all branches where there are several."""
    here = [kind]
    for step in place:
        if isinstance(step, str):
            here = [
                inner
                for one in here
                for name, hint in typing.get_type_hints(one).items()
                if key(name) == step
                for inner in _inside(hint)
            ]
    for one in here:
        yield from keys(one)


def _inside(hint: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from _inside(argument)


def _dataclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for hint in typing.get_type_hints(kind).values():
        for inner in _inside(hint):
            yield from _dataclasses(inner)


def _meant(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"


def _kind(data: Any) -> str:
    if data is None:
        return "nothing"
    if isinstance(data, dict | list):
        return "a mapping" if isinstance(data, dict) else "a list"
    return repr(data)
