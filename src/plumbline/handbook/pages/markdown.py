"""Small builders for generated Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from plumbline.catalogue import ProblemId

MARKS = {"ok": "✓", "warning": "▲", "critical": "✕", "unknown": "?"}
_UP = "../../"  # from docs/reference/generated/ to docs/


def page(title: str, description: str, *parts: str) -> str:
    """Return a page: front matter, title, and parts with a blank line between."""
    head = f"---\ntitle: {_quoted(title)}\ndescription: {_quoted(description)}\n---\n\n# {title}\n"
    return "\n".join([head, *(part.strip("\n") + "\n" for part in parts if part.strip())])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; pipes and line breaks in cells are taken care of."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_cell(text) for text in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def guide_link(name: str, title: str) -> str:
    """Return a link to a guide, as a generated page writes it."""
    return f"[{escaped(title)}]({_UP}{ProblemId.parse(name).guide.relative_to('docs')})"


def anchor(name: str) -> str:
    """Return the explicit anchor of an id: dots are awkward in selectors."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()


def escaped(text: str) -> str:
    """Return text in which nothing is Markdown but what stands between backticks."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if index % 2 else re.sub(r"([\\*_\[\]<#])", r"\\\1", part) for index, part in enumerate(parts))


def status(word: str) -> str:
    """Return a status as shape and word."""
    return f"{MARKS.get(word, '?')} {word}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)
