"""The report for node_exporter's textfile collector (Prometheus text format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.report import Report

Sample = tuple[dict[str, str], float]


def render(report: Report) -> str:
    """Return gauges: one series per status (1 for the one that holds), every measure and limit, and the two axes.

    Values are in the unit that the label `unit` names (UCUM).
    """
    target = {"target": report.target}
    families: list[tuple[str, str, Iterable[Sample]]] = [
        (
            "plumbline_diagnostic_status",
            "1 for the status that the diagnostic has, 0 for the others.",
            _statuses(report),
        ),
        (
            "plumbline_diagnostic_measure",
            "A number that the diagnostic found, in the unit of its label.",
            _measures(report),
        ),
        ("plumbline_diagnostic_limit", "What that number was held against, in the same unit.", _limits(report)),
        ("plumbline_diagnostic_duration_seconds", "How long the diagnostic took.", _durations(report)),
        ("plumbline_report_complete", "1 if every diagnostic came to a judgement.", [(target, float(report.complete))]),
        ("plumbline_report_timestamp_seconds", "When the run began, Unix time.", [(target, _unix(report.started_at))]),
    ]
    return "".join(line for name, text, samples in families for line in _family(name, text, samples))


def _family(name: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} gauge\n"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        yield f"{name}{{{inner}}} {value!r}\n"


def _statuses(report: Report) -> Iterator[Sample]:
    for result in report.results:
        for status in Status:
            labels = {"id": result.id, "target": result.target, "status": str(status)}
            yield labels, float(result.status is status)


def _measures(report: Report) -> Iterator[Sample]:
    for result in report.results:
        for one in result.measures:
            yield {"id": result.id, "target": result.target, "name": one.name, "unit": one.unit}, float(one.value)


def _limits(report: Report) -> Iterator[Sample]:
    for result in report.results:
        for one in result.measures:
            if one.limit is not None:
                labels = {"id": result.id, "target": result.target, "name": one.name, "unit": one.limit.unit}
                yield labels, float(one.limit.value)


def _durations(report: Report) -> Iterator[Sample]:
    for result in report.results:
        yield {"id": result.id, "target": result.target}, result.duration_s


def _unix(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
