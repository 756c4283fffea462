"""The report as JSON, schema `plumbline.report/1`."""

from __future__ import annotations

import json

from plumbline.diagnosis.report import Report


def render(report: Report) -> str:
    """Return the report, indented, non-ASCII as it is."""
    return json.dumps(report.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
