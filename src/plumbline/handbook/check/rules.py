"""House rules of diagnostics, so that one command tells all faults of a catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.diagnosis.rules import offences
from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint


def check(view: View) -> Iterator[Complaint]:
    """Yield every broken rule."""
    for path in view.diagnostics.values():
        for line, sentence in offences(path.read_text("utf-8", errors="replace")):
            yield Complaint(view.source(path), line, sentence)
