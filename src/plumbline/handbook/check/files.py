"""An empty catalogue, and YAML keys and ids that a page or record gives twice."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint
from plumbline.handbook.fences import scan_fences

_EMPTY = "; an empty catalogue is never green"


def check(view: View) -> Iterator[Complaint]:
    """Yield empty folders, malformed fences, and ids that a page gives twice."""
    for folder, found in (("docs/troubleshooting", view.guides), ("diagnostics", view.diagnostics)):
        if not found:
            what = "guide" if folder.startswith("docs") else "diagnostic"
            yield Complaint(folder, 1, f"holds no {what}{_EMPTY}")
    for page in view.pages():
        for line, name in page.outline.duplicates:
            yield Complaint(page.source, line, f"id '{name}' is given twice on this page")
        for fence in page.outline.fences:
            if fence.code is None and page.source not in _guides(view):
                yield Complaint(page.source, fence.line, "fence is never closed")
    for guide in view.handbook.guides.values():
        _, faults = scan_fences(guide.outline.fences)
        for line, sentence in faults:
            yield Complaint(guide.source, line, sentence)


def _guides(view: View) -> set[str]:
    return {guide.source for guide in view.handbook.guides.values()}
