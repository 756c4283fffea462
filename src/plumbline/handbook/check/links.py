"""Markdown links between the files of `docs/`, and their anchors."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint, hint
from plumbline.handbook.load import GENERATED, Page
from plumbline.handbook.pages.names import NAMES
from plumbline.handbook.sections import outline

_INLINE = re.compile(r"\]\([ ]*<?(?P<target>[^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)?)>?(?:[ ]+[\"'(][^\n]*?[\"')])?[ ]*\)")
_DEFINITION = re.compile(r"^[ ]{0,3}\[(?!\^)[^\]\n]+\]:[ ]+<?(?P<target>[^\s<>]+)>?", re.MULTILINE)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")
_AUTODOC = re.compile(r"^:::[ ]", re.MULTILINE)


def check(view: View) -> Iterator[Complaint]:
    """Yield links that lead to no file, out of the site, or to no anchor."""
    walk = _Walk(view)
    for page in view.pages():
        prose = page.outline.prose
        if "](" not in prose and "]:" not in prose:
            continue
        for pattern in (_INLINE, _DEFINITION):
            for found in pattern.finditer(page.outline.words):
                said = walk.fault(page, unquote(found["target"]))
                if said:
                    yield Complaint(page.source, page.outline.line_at(found.start("target")), said)


class _Walk:
    """Follows links; remembers which files exist and which anchors they have."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.pages = {page.source: page for page in view.pages()}
        self.files: dict[str, bool] = {}
        self.anchors: dict[str, frozenset[str] | None] = {}

    def fault(self, page: Page, target: str) -> str | None:
        if _SCHEME.match(target):
            return None
        if target.startswith("/"):
            return (
                f"link '{target}' is absolute; write it relative to this file, so that it holds wherever the site lies"
            )
        path, _, anchor = target.partition("#")
        path = path.partition("?")[0]
        source = posixpath.normpath(posixpath.join(posixpath.dirname(page.source), path)) if path else page.source
        if not source.startswith("docs/"):
            return f"link '{target}' leads out of docs/, so the site does not have it"
        if not self._exists(source):
            return f"link '{target}' leads to no file{self._near(page, source)}"
        if not anchor or not source.endswith(".md"):
            return None
        known = self._anchors(source)
        if known is None or anchor in known:
            return None
        return f"anchor '{anchor}' does not exist in {source}{hint(anchor, known)}"

    def _exists(self, source: str) -> bool:
        if source in self.pages:
            return True
        if source.startswith(f"{GENERATED}/"):
            return source.removeprefix(f"{GENERATED}/") in NAMES
        if source not in self.files:
            self.files[source] = (self.view.root / source).is_file()
        return self.files[source]

    def _near(self, page: Page, source: str) -> str:
        if f"{source}/index.md" in self.pages:
            return f"; did you mean '{posixpath.relpath(f'{source}/index.md', posixpath.dirname(page.source))}'?"
        start = posixpath.dirname(page.source)
        near = hint(source, [*self.pages, *(f"{GENERATED}/{name}" for name in NAMES)])
        return re.sub(r"'(docs/[^']*)'", lambda found: f"'{posixpath.relpath(found[1], start)}'", near)

    def _anchors(self, source: str) -> frozenset[str] | None:
        """Return the anchors of a page; None when they are not known before the build."""
        if source not in self.anchors:
            self.anchors[source] = self._read(source)
        return self.anchors[source]

    def _read(self, source: str) -> frozenset[str] | None:
        page = self.pages.get(source)
        if page is None:
            path = self.view.root / source
            return outline(path.read_text("utf-8", errors="replace")).anchors if path.is_file() else None
        if _AUTODOC.search(page.outline.prose):
            return None
        return page.outline.anchors | self._causes(page)

    def _causes(self, page: Page) -> frozenset[str]:
        """Return the ids that `problem` blocks bring along."""
        found = re.findall(r"^/{3,}[ ]*problem[ ]*\|[ ]*(\S+)", page.outline.prose, re.MULTILINE)
        problems = [self.view.handbook.problems.get(name) for name in found]
        return frozenset(f"cause-{cause.id}" for problem in problems if problem for cause in problem.causes)
