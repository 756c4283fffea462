"""Ids in front matter, blocks and alert rules lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from plumbline.catalogue import AREAS
from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint, hint, unknown
from plumbline.handbook.load import Guide, Page

LISTINGS = ("guides", "symptoms")
KINDS = ("diagnostic", "problem", "proof", *LISTINGS)
_BLOCK = re.compile(
    r"^(?P<indent>[ ]*)(?P<marks>/{3,})[ ]*(?P<kind>[\w-]*)[ ]*(?:\|[ ]*(?P<name>[^\n]*?))?[ ]*$", re.MULTILINE
)
_RUNBOOK = re.compile(r"runbook_url:[^\n]*?/troubleshooting/(?P<area>[\w-]+)/(?P<slug>[\w-]+)")
_OTHERS = ("admonition", "attention", "caution", "danger", "error", "tip", "hint", "note", "warning", "details", "tab",
           "html", "define", "caption", "figure-caption", "table-caption")  # fmt: skip


def check(view: View) -> Iterator[Complaint]:
    """Yield every id that leads nowhere."""
    for guide in view.handbook.guides.values():
        yield from _front(view, guide)
    for page in view.pages():
        if "///" in page.outline.body:
            yield from _blocks(view, page)
        for fence in page.outline.fences:
            for found in _RUNBOOK.finditer(fence.code or ""):
                name = f"{found['area']}.{found['slug']}"
                if name not in view.guides:
                    line = fence.line + 1 + (fence.code or "").count("\n", 0, found.start())
                    yield Complaint(page.source, line, view.missing("runbook_url's guide", name, view.guides))


def _front(view: View, guide: Guide) -> Iterator[Complaint]:
    for index, name in enumerate(guide.front.diagnostics):
        if name not in view.diagnostics:
            said = view.missing("diagnostic", name, view.diagnostics)
            yield view.complain(guide.source, ("diagnostics", index), said)
    for index, name in enumerate(guide.front.related):
        if name not in view.guides:
            yield view.complain(guide.source, ("related", index), view.missing("guide", name, view.guides))
        elif name == guide.id:
            yield view.complain(guide.source, ("related", index), f"guide '{name}' is related to itself")


def _blocks(view: View, page: Page) -> Iterator[Complaint]:
    opened: list[tuple[int, int, str]] = []  # (slashes, line, kind), outermost first: an inner block has fewer slashes
    for found in _BLOCK.finditer(page.outline.prose):
        slashes, line, kind = len(found["marks"]), page.outline.line_at(found.start("marks")), found["kind"]
        if not kind:
            opened = [one for one in opened if one[0] > slashes]
            continue
        for one in opened:
            if one[0] <= slashes:
                yield _open(page, one)
        opened = [*(one for one in opened if one[0] > slashes), (slashes, line, kind)]
        if said := _fault(view, kind, found["name"] or ""):
            yield Complaint(page.source, line, said)
    for one in opened:
        yield _open(page, one)


def _fault(view: View, kind: str, name: str) -> str | None:
    """Say what is wrong with a block; blocks that are not ours pass, unless they look like a misspelt one of ours."""
    if kind not in KINDS:
        near = hint(kind, KINDS) if kind not in _OTHERS else ""
        return f"block '{kind}' does not exist{near}" if near else None
    if kind in LISTINGS:
        return None if name == "all" or name in AREAS else unknown("area", name, ("all", *AREAS))
    known = view.diagnostics if kind == "diagnostic" else view.records
    if not name:
        return f"block '{kind}' names no id: /// {kind} | <area>.<slug>"
    return None if name in known else view.missing("diagnostic" if kind == "diagnostic" else "problem", name, known)


def _open(page: Page, opened: tuple[int, int, str]) -> Complaint:
    slashes, line, kind = opened
    return Complaint(page.source, line, f"block '{kind}' is never closed: write {'/' * slashes} on a line of its own")
