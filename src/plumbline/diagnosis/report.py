"""The report: one result per diagnostic, and two axes: the worst status, and whether the run was complete."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from plumbline.diagnosis.findings import Finding, Measure, Status, Threshold

SCHEMA = "plumbline.report/1"
EXIT_OK, EXIT_CRITICAL, EXIT_USAGE, EXIT_WARNING, EXIT_INCOMPLETE, EXIT_NOTHING, EXIT_INTERRUPTED = (
    0,
    1,
    2,
    3,
    4,
    5,
    130,
)
_ORDER = (Status.OK, Status.WARNING, Status.CRITICAL)


@dataclass(frozen=True, slots=True)
class Result:
    """What one diagnostic found on one target.

    Args:
        id: The diagnostic's id.
        question: What it asks.
        target: The target's name.
        status: ok, warning, critical or unknown.
        reason: None for ok, `threshold` for red; for unknown a `plumbline.evidence.Reason`, `exception` (it failed),
            `no_evidence` (it judged the evidence too thin) or `cancelled`.
        sentence: The finding.
        measures: The numbers behind it.
        cause: Cause that it supports (red only).
        impact: What users feel (red only).
        next: What to do (red only).
        guide: Path of the guide on the site.
        started_at: When it began, ISO 8601 in UTC.
        duration_s: How long it took, in seconds.
        reads: What was read.
    """

    id: str
    question: str
    target: str
    status: Status
    reason: str | None
    sentence: str
    measures: tuple[Measure, ...]
    cause: str | None
    impact: str | None
    next: tuple[str, ...]
    guide: str
    started_at: str
    duration_s: float
    reads: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data; numbers come with their text, so that pages need not format them."""
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        data["status"] = str(self.status)
        data["measures"] = [_measure_to_json(measure) for measure in self.measures]
        return data | {"next": list(self.next), "reads": list(self.reads)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Result:
        """Read what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        values = {field.name: data[field.name] for field in dataclasses.fields(cls)}
        values["status"] = Status(data["status"])
        values["measures"] = tuple(_measure_from_json(measure) for measure in data["measures"])
        return cls(**values | {"next": tuple(data["next"]), "reads": tuple(data["reads"])})


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one run.

    Args:
        target: The target's name.
        results: One per diagnostic, in the order of their ids.
        started_at: When the run began, ISO 8601 in UTC.
        duration_s: How long it took, in seconds.
    """

    target: str
    results: tuple[Result, ...]
    started_at: str
    duration_s: float

    @property
    def worst(self) -> Status:
        """The worst status that could be told; `unknown` when none could: nothing judged is never green."""
        told = [result.status for result in self.results if result.status is not Status.UNKNOWN]
        return max(told, key=_ORDER.index, default=Status.UNKNOWN)

    @property
    def complete(self) -> bool:
        """True if every diagnostic came to a judgement."""
        return bool(self.results) and all(result.status is not Status.UNKNOWN for result in self.results)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 1 for critical, 3 for a warning under `strict`, 4 if incomplete, 5 if empty, else 0."""
        if not self.results:
            return EXIT_NOTHING
        if self.worst is Status.CRITICAL:
            return EXIT_CRITICAL
        if strict and self.worst is Status.WARNING:
            return EXIT_WARNING
        return EXIT_OK if self.complete else EXIT_INCOMPLETE

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data (schema `plumbline.report/1`)."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "worst": str(self.worst),
            "complete": self.complete,
            "started_at": self.started_at,
            "duration_s": self.duration_s,
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Report:
        """Read what `to_json` gave.

        Raises:
            ValueError: It is no report of this schema.
        """
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError(f"is no {SCHEMA}")
        try:
            results = tuple(Result.from_json(result) for result in data["results"])
            return cls(data["target"], results, data["started_at"], data["duration_s"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"is no {SCHEMA}: {type(error).__name__} {error}") from None


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data."""
    return {
        "status": str(finding.status),
        "sentence": finding.sentence,
        "measures": [_measure_to_json(measure) for measure in finding.measures],
        "cause": finding.cause,
        "impact": finding.impact,
        "next": list(finding.next),
    }


def finding_from_json(data: dict[str, Any]) -> Finding:
    """Read what `finding_to_json` gave."""
    measures = tuple(_measure_from_json(measure) for measure in data["measures"])
    return Finding(
        Status(data["status"]), data["sentence"], measures, data["cause"], data["impact"], tuple(data["next"])
    )


def _measure_to_json(measure: Measure) -> dict[str, Any]:
    limit = measure.limit
    shown = limit and {field.name: getattr(limit, field.name) for field in dataclasses.fields(limit)}
    return {
        "name": measure.name,
        "value": measure.value,
        "unit": measure.unit,
        "text": str(measure),
        "limit": shown and {**shown, "text": str(limit)},
    }


def _measure_from_json(data: dict[str, Any]) -> Measure:
    limit = data["limit"]
    threshold = Threshold(**{key: limit[key] for key in limit if key != "text"}) if limit else None
    return Measure(data["name"], data["value"], data["unit"], threshold)
