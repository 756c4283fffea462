"""What a model takes and gives: the contract between it and its callers.

Inputs are known by name, never by place: two columns of equal type can then not be swapped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from plumbline.deployment.core.errors import InvalidError

Kind = Literal["float", "int", "bool", "string"]
"""Families of types. On the wire (Open Inference Protocol) float is FP32 or FP64, int INT8 to INT64, string BYTES."""

Scalar = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Feature:
    """One input.

    Args:
        name: As callers send it.
        kind: Family of its type.
        shape: Of one row; `()` is a scalar, None a length that varies.
        required: Whether callers must send it; what is not required has a `default`.
        default: Stands in when an optional feature is not sent; None only for nullable features: then it is missing.
        nullable: Whether NaN, null or an empty value may be sent: the model knows what to do with it.
        minimum: Lowest valid value, inclusive; None for no bound. Outside it a request is refused.
        maximum: Highest valid value, inclusive; None for no bound.
        choices: All valid values of a category; None for any.
    """

    name: str
    kind: Kind = "float"
    shape: tuple[int | None, ...] = ()
    required: bool = True
    default: Scalar | None = None
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Scalar, ...] | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One output.

    Args:
        name: As the answer carries it.
        kind: Family of its type.
        shape: Of one row, as in `Feature`.
        classes: Labels, in the order of the last axis (probabilities) or all that may appear (labels).
        minimum: Lowest value it promises, inclusive; None for no promise.
        maximum: Highest value it promises, inclusive.
    """

    name: str
    kind: Kind = "float"
    shape: tuple[int | None, ...] = ()
    classes: tuple[Scalar, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs and outputs, each name once.

    Raises:
        InvalidError: A name twice or empty, no input, no output, an optional feature that is neither nullable nor has
            a default, or bounds the wrong way round.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Output, ...]

    def __post_init__(self) -> None:
        for what, fields in (("input", self.inputs), ("output", self.outputs)):
            if not fields:
                raise InvalidError(f"the signature has no {what}: a model without one cannot be checked or called")
            _once(what, [field.name for field in fields])
            for field in fields:
                _bounds(what, field)
        for feature in self.inputs:
            _optional(feature)

    def feature(self, name: str) -> Feature | None:
        """Return the input of that name, if there is one."""
        return next((feature for feature in self.inputs if feature.name == name), None)

    def output(self, name: str) -> Output | None:
        """Return the output of that name, if there is one."""
        return next((output for output in self.outputs if output.name == name), None)


def _once(what: str, names: list[str]) -> None:
    for number, name in enumerate(names):
        if not name:
            raise InvalidError(f"{what} {number} of the signature has no name")
        if name in names[:number]:
            raise InvalidError(f"{what} '{name}' stands twice in the signature: each name means one {what}", field=name)


def _bounds(what: str, field: Feature | Output) -> None:
    low, high = field.minimum, field.maximum
    if low is not None and high is not None and low > high:
        raise InvalidError(
            f"{what} '{field.name}': minimum {low:g} is above maximum {high:g}",
            field=field.name,
            minimum=low,
            maximum=high,
        )


def _optional(feature: Feature) -> None:
    if not feature.required and feature.default is None and not feature.nullable:
        raise InvalidError(
            f"input '{feature.name}' is optional, but has no default and is not nullable: "
            "nobody could say what the model sees without it",
            field=feature.name,
        )
