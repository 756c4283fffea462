"""The report as Markdown, for a ticket or a chat."""

from __future__ import annotations

import re
from collections.abc import Iterator

from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.formats.tally import tally
from plumbline.diagnosis.report import Report, Result

_SIGNS = {Status.OK: "✅", Status.WARNING: "⚠️", Status.CRITICAL: "❌", Status.UNKNOWN: "❔"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def render(report: Report) -> str:
    """Return a verdict, a table of all diagnostics, and the details of those that are not ok."""
    lines = [f"### Diagnosis: {_escaped(tally(report))}", "", f"{report.started_at}, {report.duration_s:.2f} s", ""]
    lines += ["| status | diagnostic | finding |", "|---|---|---|"]
    lines += [
        f"| {_SIGNS[result.status]} {result.status} | `{result.id}` | {_escaped(result.sentence)} |"
        for result in report.results
    ]
    for result in report.results:
        if result.status is not Status.OK:
            lines += ["", *_details(result)]
    return "\n".join(lines) + "\n"


def _details(result: Result) -> Iterator[str]:
    yield f"#### {_SIGNS[result.status]} `{result.id}`: {_escaped(result.question)}"
    yield ""
    yield _escaped(result.sentence)
    yield ""
    if result.measures:
        yield "| measured | value | limit | source of the limit |"
        yield "|---|---:|---:|---|"
        for one in result.measures:
            limit, source = (str(one.limit), _escaped(one.limit.source)) if one.limit else ("", "")
            yield f"| {_escaped(one.name.replace('_', ' '))} | {one} | {limit} | {source} |"
        yield ""
    if result.status is Status.UNKNOWN:
        yield f"- **reason** {_escaped(result.reason or '')}"
    else:
        yield f"- **cause** `{result.cause}`"
        yield f"- **impact** {_escaped(result.impact or '')}"
        yield from (f"- **next** {_escaped(step)}" for step in result.next)
    yield f"- **guide** {result.guide}"


def _escaped(text: str) -> str:
    """Keep text from being read as markup, and inside its table cell."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
