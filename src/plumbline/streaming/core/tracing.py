"""What a message says of the trace it belongs to (W3C Trace Context), and which messages are traced. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

DEFAULT_RATIO = 0.01
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class Traced(bytes):
    """JSON text that was published in a trace; brokers keep the two together, and hand both to readers that ask.

    It is bytes like those of every other message, so what needs no trace need not know of it.
    """

    trace: str

    @classmethod
    def of(cls, data: bytes, trace: str | None) -> bytes:
        """Return the text with its `traceparent`; the text alone if that says nothing."""
        if trace is None or parent_of(trace) is None:
            return data
        made = cls(data)
        made.trace = trace
        return made


def trace_of(data: bytes | None) -> str | None:
    """Return the `traceparent` that a text was published with."""
    return data.trace if isinstance(data, Traced) else None


class Parent(NamedTuple):
    """The span that a message comes from.

    Args:
        trace: Id of the trace, not 0.
        span: Id of the span, not 0.
        sampled: It is being recorded.
    """

    trace: int
    span: int
    sampled: bool


def parent_of(traceparent: str | None) -> Parent | None:
    """Return what a `traceparent` says; None if it is none: the standard wants a wrong one left alone."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None or (found[0].startswith("00") and len(found[0]) != 55):
        return None
    trace, span = int(found[1], 16), int(found[2], 16)
    return Parent(trace, span, bool(int(found[3], 16) & 1)) if trace and span else None


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which messages are traced.

    Args:
        ratio: Part of those that belong to no trace yet: 0 to 1.
        by_parent: One that belongs to a trace is traced if that trace is.
    """

    ratio: float = DEFAULT_RATIO
    by_parent: bool = True

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Sampling:
        """Return what `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say; one in a hundred without them.

        Raises:
            ValueError: They say something that there is not.
        """
        name = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_traceidratio"
        argument = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
        plain = name.removeprefix("parentbased_")
        fixed = {"always_on": 1.0, "always_off": 0.0}.get(plain)
        if fixed is None and plain != "traceidratio":
            raise ValueError(f"OTEL_TRACES_SAMPLER={name} is not known; there are always_on, always_off, traceidratio")
        try:
            ratio = fixed if fixed is not None else float(argument or DEFAULT_RATIO)
        except ValueError:
            ratio = -1.0
        if not 0 <= ratio <= 1:
            raise ValueError(f"OTEL_TRACES_SAMPLER_ARG={argument} must be a number from 0 to 1")
        return cls(ratio, name != plain)

    def wanted(self, parent: Parent | None, chance: float) -> bool:
        """Say whether to trace one message; `chance` is a random number from 0 up to, not including, 1."""
        if parent is not None and self.by_parent:
            return parent.sampled
        return chance < self.ratio
