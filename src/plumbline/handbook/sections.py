"""Sections of a page, with the anchors that the site's table of contents gives them."""

from __future__ import annotations

import re
import typing
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from plumbline.handbook.fences import Fence, fence_id, fences
from plumbline.handbook.prose import Directives, plain

if typing.TYPE_CHECKING:
    from markdown import Markdown

_FRONT = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_ATX = re.compile(r"^(?P<indent>(?: {4})*)(?P<marks>\#{1,6})(?P<text>[^\n]*?)\#*$", re.MULTILINE)
_UNDERLINE = re.compile(r"^(?P<marks>=+|-+)[ ]*$", re.MULTILINE)
_EXPLICIT = re.compile(r"(?:^|[ ]+)\{:?[ ]*(?P<attributes>[^{}\n]*)\}[ \t]*$")
_ATTR_ID = re.compile(r"(?:^|\s)(?:\#|id=[\"']?)(?P<id>[^\s\"'}]+)")
_ATTR_LIST = re.compile(r"\{:?[ ]*(?P<attributes>[^{}\n]*\#[^{}\n]*)\}")
_HTML_ID = re.compile(r"<[a-zA-Z][^<>]*?\s(?:id|name)=[\"']([^\"']+)[\"']")
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|^<(?P<tag>pre|script|style|textarea)\b.*?(?:</(?P=tag)>|\Z)", re.DOTALL | re.MULTILINE
)
_OPENER = re.compile(r"(?:===[!+]*|!!!|\?\?\?\+?) |[-*+] |\d+\. ")
_SIMPLE = re.compile(r"[A-Za-z0-9 ,.?;'\"/()-]*")


@dataclass(frozen=True)
class Section:
    """The part of a page below one heading, down to the next.

    Args:
        heading: Its text without markup; the page's title for what stands before the first heading.
        anchor: Its id on the page, as the site's table of contents has it; empty before the first heading.
        level: 1 to 6; 1 for what stands before the first heading.
        breadcrumb: The headings above it, the page's title first; empty for the page's own title.
        line: Line of the heading in the file, from 1.
        source: Its Markdown, without the heading.
    """

    heading: str
    anchor: str
    level: int
    breadcrumb: tuple[str, ...]
    line: int
    source: str = field(repr=False)
    directives: Directives = field(repr=False, compare=False, default_factory=dict)

    @cached_property
    def text(self) -> str:
        """Its content as plain text: prose, table cells, content of tabs and blocks, and code."""
        return plain(self.source, self.directives)


@dataclass(frozen=True, slots=True)
class Heading:
    """One heading: offsets in the body, line, level, text, and its anchor (explicit or made from the text)."""

    start: int
    end: int
    line: int
    level: int
    text: str
    anchor: str
    explicit: bool


@dataclass(frozen=True)
class Outline:
    """What the skeleton of a page is made of.

    Args:
        body: The page without front matter.
        body_line: Line of the file on which the body begins.
        front: The front matter's YAML, or None.
        fences: Fences of the body; their lines count from the file's first.
        headings: Headings in page order.
        ids: Other ids on the page: fences, attribute lists, HTML; id → line.
        duplicates: (line, id) of every id that the page gives twice.
    """

    body: str
    body_line: int
    front: str | None
    fences: list[Fence]
    headings: list[Heading]
    ids: Mapping[str, int]
    duplicates: list[tuple[int, str]]

    @cached_property
    def anchors(self) -> frozenset[str]:
        """Everything that a link can name behind `#`; not fences, whose ids MkDocs does not see."""
        fenced = {fence_id(fence.info) for fence in self.fences}
        return frozenset([*(self.ids.keys() - fenced), *(heading.anchor for heading in self.headings)])

    @cached_property
    def prose(self) -> str:
        """The body with fences and hidden HTML blanked out; offsets and lines stay."""
        return _blank(self.body, self.fences, _HIDDEN)

    @cached_property
    def words(self) -> str:
        """The prose with code spans blanked out as well."""
        return _CODE_SPAN.sub(lambda span: " " * len(span[0]), self.prose) if "`" in self.prose else self.prose

    @cached_property
    def _newlines(self) -> list[int]:
        return [found.start() for found in re.finditer("\n", self.body)]

    def line_at(self, offset: int) -> int:
        """Return the line of the file for an offset in the body."""
        return self.body_line + bisect_right(self._newlines, offset - 1)


def split_front(text: str) -> tuple[str | None, str, int]:
    """Return (front matter or None, body, line of the body's first line)."""
    found = _FRONT.match(text)
    if not found:
        return None, text, 1
    return found[1] or "", text[found.end() :], 1 + text.count("\n", 0, found.end())


def outline(text: str) -> Outline:
    """Read the skeleton of a page."""
    front, body, body_line = split_front(text)
    found = [
        Fence(fence.start, fence.end, fence.line + body_line - 1, fence.info, fence.code) for fence in fences(body)
    ]
    page = Outline(body, body_line, front, found, [], {}, [])
    bare = sorted([*_atx(page), *_setext(page)], key=lambda heading: heading.start)
    ids, seen = _other_ids(page, bare)
    headings = _with_anchors(page, bare, ids, seen)
    return Outline(body, body_line, front, found, headings, ids, page.duplicates)


def sections(page: Outline, title: str, directives: Directives | None = None) -> tuple[Section, ...]:
    """Cut a page at its headings.

    Args:
        page: The skeleton.
        title: The page's title, for what stands before the first heading.
        directives: Plain text of `/// kind | id` blocks, by (kind, id).
    """
    result: list[Section] = []
    above: list[tuple[int, str]] = [(1, title)]
    told = directives if directives is not None else {}
    first = page.headings[0].start if page.headings else len(page.body)
    if page.body[:first].strip():
        result.append(Section(title, "", 1, (), page.body_line, page.body[:first], told))
    for index, heading in enumerate(page.headings):
        end = page.headings[index + 1].start if index + 1 < len(page.headings) else len(page.body)
        above = [entry for entry in above if entry[0] < heading.level]
        crumb = tuple(text for _, text in above)
        source = page.body[heading.end : end]
        result.append(Section(heading.text, heading.anchor, heading.level, crumb, heading.line, source, told))
        above.append((heading.level, heading.text))
    return tuple(result)


def title_of(page: Outline) -> str | None:
    """Return the text of the page's first heading of level 1."""
    return next((heading.text for heading in page.headings if heading.level == 1), None)


def _blank(body: str, found: list[Fence], pattern: re.Pattern[str]) -> str:
    parts: list[str] = []
    position = 0
    for fence in found:
        parts += [body[position : fence.start], re.sub(r"[^\n]", " ", body[fence.start : fence.end])]
        position = fence.end
    text = "".join([*parts, body[position:]])
    return pattern.sub(lambda hidden: re.sub(r"[^\n]", " ", hidden[0]), text) if "<" in text else text


def _atx(page: Outline) -> Iterator[Heading]:
    """Yield headings that begin with `#`; a `#` in a paragraph's line begins one too, as Python-Markdown has it."""
    for match in _ATX.finditer(page.prose) if "#" in page.prose else ():
        if not match["indent"] or _contained(page.prose, match):
            yield _heading(page, match.span(), match["text"], len(match["marks"]))


def _setext(page: Outline) -> Iterator[Heading]:
    """Yield headings that are underlined: one line behind a blank one."""
    prose = page.prose
    for match in _UNDERLINE.finditer(prose):
        start = prose.rfind("\n", 0, max(match.start() - 1, 0)) + 1
        text = prose[start : max(match.start() - 1, 0)]
        if (
            not text
            or text[0] in " \t#"
            or _UNDERLINE.fullmatch(text)
            or prose[max(start - 2, 0) : start] not in ("", "\n\n")
        ):
            continue
        yield _heading(page, (start, match.end()), text, 1 if match["marks"][0] == "=" else 2)


def _contained(prose: str, match: re.Match[str]) -> bool:
    """Tell an indented heading from code: it stands in a tab, an admonition or a list item."""
    depth = len(match["indent"])
    rows = prose[: match.start()].split("\n")[:-1]
    while depth:
        depth -= 4
        while rows and (not rows[-1].strip() or len(rows[-1]) - len(rows[-1].lstrip(" ")) > depth):
            rows.pop()
        if not rows or not _OPENER.match(rows[-1][depth:]):
            return False
    return True


def _heading(page: Outline, span: tuple[int, int], raw: str, level: int) -> Heading:
    text = raw.strip()
    given: re.Match[str] | None = None
    if listed := _EXPLICIT.search(text):
        given = _ATTR_ID.search(listed["attributes"])
        text = text[: listed.start()].rstrip(" #")
    words, slug = _rendered(text)
    anchor = given["id"] if given else slug
    return Heading(*span, page.line_at(span[0]), level, words, anchor, given is not None)


def _other_ids(page: Outline, headings: list[Heading]) -> tuple[dict[str, int], set[str]]:
    """Return all ids but the headings' (id → line), and those that `toc` sees; note those given twice."""
    at = {heading.line for heading in headings}
    prose = page.words if "{" in page.prose or "<" in page.prose else ""
    listed: list[tuple[int, str]] = []
    for match in _ATTR_LIST.finditer(prose):
        line, named = page.line_at(match.start()), _ATTR_ID.search(match["attributes"])
        if named and line not in at:
            listed.append((line, named["id"]))
    stashed = [(fence.line, name) for fence in page.fences if (name := fence_id(fence.info))]
    stashed += [(page.line_at(match.start()), match[1]) for match in _HTML_ID.finditer(prose)]
    ids: dict[str, int] = {}
    for line, given in sorted([*listed, *stashed]):
        if given in ids:
            page.duplicates.append((line, given))
        ids.setdefault(given, line)
    return ids, {given for _, given in listed}


def _with_anchors(page: Outline, headings: list[Heading], ids: Mapping[str, int], seen: set[str]) -> list[Heading]:
    """Give each heading its anchor as the `toc` extension does: explicit ids first, then slugs made unique."""
    from markdown.extensions.toc import unique

    used = set(seen)
    given: set[str] = set()
    for heading in headings:
        if heading.explicit:
            used.add(heading.anchor)
    result: list[Heading] = []
    for heading in headings:
        made = heading if heading.explicit else replace(heading, anchor=unique(heading.anchor, used))
        if made.anchor in given or made.anchor in ids:
            page.duplicates.append((made.line, made.anchor))
        given.add(made.anchor)
        result.append(made)
    return result


@lru_cache(maxsize=4096)
def _rendered(text: str) -> tuple[str, str]:
    """Return (text without markup, slug) of a heading; only one with markup costs a run of Python-Markdown."""
    from markdown.extensions.toc import slugify

    if _SIMPLE.fullmatch(text):
        return text, slugify(text, "-")
    document = _inline()
    document.reset()
    document.convert(f"# {text}")
    tokens: list[dict[str, str]] = getattr(document, "toc_tokens", [])
    if not tokens:
        return text, slugify(text, "-")
    import html

    return html.unescape(tokens[0]["name"]), tokens[0]["id"]


@lru_cache(maxsize=1)
def _inline() -> Markdown:
    from markdown import Markdown

    return Markdown(extensions=["attr_list", "toc"])
