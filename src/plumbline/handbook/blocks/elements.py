"""Small builders for the blocks' HTML; text is never read as Markdown again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement

from markdown.util import AtomicString

Child = Element | str | None
MARKS = {"ok": "✓", "warning": "▲", "critical": "✕", "unknown": "?"}
"""Each status has a shape and a word: colour alone says nothing to many readers."""
_CODE = re.compile(r"`([^`]+)`")


def element(tag: str, attributes: dict[str, str] | str = "", *children: Child) -> Element:
    """Build an element.

    Args:
        tag: Its name.
        attributes: All attributes, or just the class.
        children: Elements and text; None is left out.
    """
    if isinstance(attributes, str):
        attributes = {"class": attributes} if attributes else {}
    made = Element(tag, attributes)
    extend(made, children)
    return made


def extend(parent: Element, children: Iterable[Child]) -> None:
    """Append elements and text, in order."""
    for child in children:
        if child is None:
            continue
        if isinstance(child, Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = AtomicString((parent[-1].tail or "") + child)
        else:
            parent.text = AtomicString((parent.text or "") + child)


def rich(text: str) -> list[Child]:
    """Split a sentence at its backticks: what stands between two becomes code."""
    parts = _CODE.split(text)
    return [element("code", "", part) if index % 2 else part for index, part in enumerate(parts) if part]


def status(word: str, label: str | None = None) -> Element:
    """Build a status badge: shape and word."""
    return element(
        "span",
        f"pl-status pl-status--{word}",
        element("span", {"class": "pl-status__icon", "aria-hidden": "true"}, MARKS.get(word, "?")),
        element("span", "pl-status__word", label or word),
    )


def command(line: str) -> Element:
    """Build a command to copy."""
    return element("pre", "pl-command", element("code", "language-console", line))


def details(name: str, summary: Iterable[Child], *children: Child) -> Element:
    """Build a fold."""
    return element("details", name, element("summary", "", *summary), *children)


def table(name: str, caption: str, head: Iterable[str], rows: Iterable[Element]) -> Element:
    """Build a table with a caption for screen readers, in a wrapper that scrolls on a narrow screen."""
    made = element("table", name, element("caption", "pl-hidden", caption))
    row = SubElement(SubElement(made, "thead"), "tr")
    extend(row, [element("th", {"scope": "col"}, *rich(text)) for text in head])
    extend(SubElement(made, "tbody"), rows)
    return element("div", "pl-table", made)


def row(
    head: Iterable[Child], *cells: tuple[str, Iterable[Child]], attributes: dict[str, str] | None = None
) -> Element:
    """Build a table row: its header, then cells as (label for narrow screens, content)."""
    made = element("tr", attributes or {}, element("th", {"scope": "row"}, *head))
    extend(made, [element("td", {"data-label": label}, *content) for label, content in cells])
    return made


def facts(name: str, pairs: Iterable[tuple[str, Iterable[Child]]]) -> Element:
    """Build a description list."""
    made = element("dl", name)
    for term, told in pairs:
        extend(made, [element("dt", "", term), element("dd", "", *told)])
    return made


def bullets(items: Iterable[Iterable[Child]], tag: str = "ul") -> Element:
    """Build a list."""
    return element(tag, "", *(element("li", "", *item) for item in items))
