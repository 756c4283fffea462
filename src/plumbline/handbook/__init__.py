"""Guides and problem records: their schemas, the reference check, and the blocks that pages are made of."""

from plumbline.handbook.complaints import Complaint, HandbookError
from plumbline.handbook.load import DiagnosticPage, Guide, Handbook, Page, load
from plumbline.handbook.records import Front, Problem, Proof
from plumbline.handbook.sections import Section

__all__ = [
    "Complaint",
    "DiagnosticPage",
    "Front",
    "Guide",
    "Handbook",
    "HandbookError",
    "Page",
    "Problem",
    "Proof",
    "Section",
    "load",
]
