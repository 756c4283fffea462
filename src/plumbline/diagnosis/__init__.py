"""Collect, then judge: evidence is gathered in isolated workers, and diagnostics judge it without touching anything."""

from plumbline.diagnosis.declare import Judge, diagnostic
from plumbline.diagnosis.findings import Finding, Measure, Status, Threshold, critical, ok, unknown, warning

__all__ = [
    "Finding",
    "Judge",
    "Measure",
    "Status",
    "Threshold",
    "critical",
    "diagnostic",
    "ok",
    "unknown",
    "warning",
]
