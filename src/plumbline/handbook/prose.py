"""Markdown to plain text, for search: prose, table cells, content of tabs and blocks, and code as it stands."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from plumbline.handbook.fences import fences

Directives = Mapping[tuple[str, str], str]

_DIRECTIVE = re.compile(r"^[ ]*/{3,}[ ]*(?P<kind>[\w-]+)[ ]*(?:\|[ ]*(?P<argument>[^\n]*?))?[ ]*$", re.MULTILINE)
_RULES = [
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"^[ ]*/{3,}[ ]*$", re.MULTILINE), ""),  # the end of a block
    (re.compile(r"^[ ]*\[[^\]\n]+\]:[ ]+\S+.*$", re.MULTILINE), ""),  # a link's definition
    (re.compile(r"^[ ]*\|?(?:[ ]*:?-{2,}:?[ ]*\|)+[ ]*(?::?-+:?)?[ ]*$", re.MULTILINE), ""),  # the rule of a table
    (re.compile(r"^[ ]*(?:===[!+]*|!!!|\?\?\?\+?)[ ]+(?:[\w-]+[ ]*)*\"([^\"\n]*)\"[ ]*$", re.MULTILINE), r"\1"),
    (re.compile(r"^[ ]*(?:!!!|\?\?\?\+?)[ ]+[\w -]+$", re.MULTILINE), ""),
    (re.compile(r"^[ ]*(?:[-*+]|\d+\.|>)[ ]+", re.MULTILINE), ""),
    (re.compile(r"!\[([^\]\n]*)\]\([^()\n]*\)"), r"\1"),
    (re.compile(r"\[([^\]\n]+)\](?:\((?:[^()\n]|\([^()\n]*\))*\)|\[[^\]\n]*\])"), r"\1"),
    (re.compile(r"\{:?[ ]*[.#][^{}\n]*\}"), ""),
    (re.compile(r"</?[a-zA-Z][^<>\n]*>"), ""),
    (re.compile(r"(?<![\w*])(\*{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w*])"), r"\2"),
    (re.compile(r"(?<![\w_])(_{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w_])"), r"\2"),
    (re.compile(r"[ ]*(?<!\\)\|[ ]*"), " "),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!|<>-])"), r"\1"),
]
_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_HOLE = re.compile("\x00(\\d+)\x00")
_BLANKS = re.compile(r"[ \t]+")
_EDGES = re.compile(r"[ \t]*\n[ \t]*")
_GAPS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def plain(source: str, directives: Directives) -> str:
    """Return the plain text of a piece of Markdown.

    Args:
        source: Markdown without front matter.
        directives: What `/// kind | argument` stands for, by (kind, argument); unknown ones give their argument.
    """
    kept: list[str] = []
    source = source.replace("\x00", "")
    parts: list[str] = []
    position = 0
    for fence in fences(source):
        if fence.code is not None:
            parts += [source[position : fence.start], _keep(kept, fence.code.rstrip("\n"))]
            position = fence.end
    text = "".join([*parts, source[position:]])
    text = _DIRECTIVE.sub(lambda block: _told(block, directives), text)
    text = _SPAN.sub(lambda span: _keep(kept, span[2].strip()), text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = _GAPS.sub("\n", _BLANKS.sub(" ", html.unescape(text))).strip()
    text = _EDGES.sub("\n", text)
    return _HOLE.sub(lambda hole: kept[int(hole[1])], text)


def _keep(kept: list[str], code: str) -> str:
    """Put code aside, so that no rule for prose touches it."""
    kept.append(code)
    return f"\x00{len(kept) - 1}\x00"


def _told(block: re.Match[str], directives: Directives) -> str:
    argument = block["argument"] or ""
    return directives.get((block["kind"], argument), argument)
