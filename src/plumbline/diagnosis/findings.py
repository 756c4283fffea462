"""What a diagnostic says: one status, one sentence with its numbers, and the same numbers as fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The four statuses of the monitoring plugins; a probe that fails is `unknown`."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"

    @property
    def red(self) -> bool:
        """True for the two statuses that call for action."""
        return self in (Status.WARNING, Status.CRITICAL)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit that result, guide and test render from this one object.

    Args:
        value: The limit.
        unit: UCUM code of the value.
        source: Where the figure comes from: a standard, a vendor's document, a measurement (and its
            command) or a judgement.
        name: What it limits, in words, for tables; the diagnostic's constant name serves when empty.
        low: True where less is worse (memory left, days left): monitoring systems want to know the direction.
    """

    value: float
    unit: str
    source: str
    name: str = ""
    low: bool = False

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ValueError("a threshold names its source: a standard, a vendor, a measurement or a judgement")

    def __str__(self) -> str:
        return with_unit(self.value, self.unit)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured number of a finding, with its limit if it was held against one.

    Args:
        name: Snake-case name, stable: search and Prometheus use it.
        value: The number.
        unit: UCUM code.
        limit: The threshold that it was compared with.
    """

    name: str
    value: float
    unit: str
    limit: Threshold | None = None

    def __str__(self) -> str:
        return with_unit(self.value, self.unit)


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement of one diagnostic over one set of evidence.

    Args:
        status: ok, warning, critical or unknown.
        sentence: One sentence with the measured number, its unit and the limit.
        measures: The same numbers as fields.
        cause: Id of the cause it supports, as the problem record declares it (red findings only).
        impact: What users feel (red findings only).
        next: What to do next, in order (red findings only).

    Raises:
        ValueError: A red finding lacks cause, impact or next step, or the sentence is empty.
    """

    status: Status
    sentence: str
    measures: tuple[Measure, ...] = ()
    cause: str | None = None
    impact: str | None = None
    next: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.sentence.strip():
            raise ValueError("a finding says one sentence")
        if self.status.red and not (self.cause and self.impact and self.next):
            raise ValueError(f"a {self.status} finding names cause, impact and next step: {self.sentence!r}")


def ok(sentence: str, *measures: Measure) -> Finding:
    """All is well, and this is the number that says so."""
    return Finding(Status.OK, sentence, measures)


def warning(sentence: str, *measures: Measure, cause: str, impact: str, next: str | tuple[str, ...]) -> Finding:  # noqa: A002 - the field's name
    """It will hurt soon, or hurts some."""
    return Finding(Status.WARNING, sentence, measures, cause, impact, (next,) if isinstance(next, str) else next)


def critical(sentence: str, *measures: Measure, cause: str, impact: str, next: str | tuple[str, ...]) -> Finding:  # noqa: A002 - the field's name
    """Users feel it now."""
    return Finding(Status.CRITICAL, sentence, measures, cause, impact, (next,) if isinstance(next, str) else next)


def unknown(sentence: str, *measures: Measure) -> Finding:
    """It could not be judged: evidence is missing or too thin."""
    return Finding(Status.UNKNOWN, sentence, measures)


_SCALES = {"By": ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))}


def with_unit(value: float, unit: str) -> str:
    """Render a number for a sentence: `0.93` of unit `1` as `93 %`, bytes scaled, `{connection}` as a word."""
    if unit == "1":
        return f"{value * 100:.0f} %"
    for size, name in _SCALES.get(unit, ()):
        if abs(value) >= size:
            return f"{value / size:.1f} {name}"
    number = f"{value:.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"
    if unit == "By":
        return f"{number} bytes"
    if unit.startswith("{"):
        name, slash, per = unit.partition("/")  # `{connection}/s`
        return f"{number} {name.strip('{}')}{'' if number == '1' else 's'}{slash}{per}"
    return f"{number} {unit}".strip()
