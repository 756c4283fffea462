"""The verdict in one line: how many of each status, the worst, and whether the run was complete."""

from __future__ import annotations

from collections import Counter

from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.report import Report


def tally(report: Report) -> str:
    """Return for example `1 critical, 4 ok of 5 on 'lab': worst critical, complete`."""
    counts = Counter(result.status for result in report.results)
    order = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.OK)
    parts = ", ".join(f"{counts[status]} {status}" for status in order if counts[status])
    complete = "complete" if report.complete else "incomplete"
    return f"{parts or 'nothing'} of {len(report.results)} on '{report.target}': worst {report.worst}, {complete}"
