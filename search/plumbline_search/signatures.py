"""The exact lane: log lines that problem records declare, searched as regular expressions within a time budget."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import regex

BUDGET_S = 0.25
"""Time that all signatures together may take for one query, in seconds."""
PATTERN_S = 0.05
"""Time that one pattern may take, in seconds; one that backtracks without end is cut off."""
LONGEST_SHOWN = 300
"""Characters of the matched line that are shown."""


@dataclass(frozen=True, slots=True)
class Match:
    """A signature found in a query.

    Args:
        page: Number of the page that declares it.
        line: The line it matched, cut to `LONGEST_SHOWN` characters.
        length: Characters that the pattern matched: a longer match tells more.
    """

    page: int
    line: str
    length: int


@dataclass(frozen=True, slots=True)
class Matches:
    """The best match of each page, and how many signatures could not be tried in time."""

    found: dict[int, Match]
    untried: int


@dataclass(frozen=True, slots=True)
class _Compiled:
    page: int
    literal: str
    pattern: regex.Pattern[str]


class Signatures:
    """All signatures of a corpus, compiled once.

    A pattern is tried only if its longest literal part occurs in the text, so that hundreds of patterns cost little.

    Args:
        declared: (number of the page, pattern). A pattern that does not compile is left out and listed in `broken`.
        clock: Time in seconds: by default what this thread computes, so that a busy machine leaves none untried.
    """

    def __init__(self, declared: Iterable[tuple[int, str]], clock: Callable[[], float] = time.thread_time) -> None:
        self.broken: list[str] = []
        self._clock = clock
        self._compiled: list[_Compiled] = []
        for page, pattern in declared:
            try:
                compiled = regex.compile(pattern, regex.IGNORECASE | regex.MULTILINE)
            except regex.error:
                self.broken.append(pattern)
            else:
                self._compiled.append(_Compiled(page, literal_of(pattern), compiled))

    def search(self, text: str, budget_s: float = BUDGET_S) -> Matches:
        """Return the signatures that occur in a text.

        Args:
            text: A query or a log, already bounded in length.
            budget_s: Time for all patterns, in seconds.
        """
        end = self._clock() + budget_s
        folded = text.casefold()
        found: dict[int, Match] = {}
        untried = 0
        for one in self._compiled:
            if one.literal and one.literal not in folded:
                continue
            left = end - self._clock()
            if left <= 0:
                untried += 1
                continue
            try:
                match = one.pattern.search(text, timeout=min(left, PATTERN_S), concurrent=True)
            except TimeoutError:
                untried += 1
                continue
            if match and match.end() > match.start():
                _keep(found, Match(one.page, _line(text, match.start(), match.end()), match.end() - match.start()))
        return Matches(found, untried)


def _keep(found: dict[int, Match], match: Match) -> None:
    best = found.get(match.page)
    if best is None or match.length > best.length:
        found[match.page] = match


def _line(text: str, start: int, end: int) -> str:
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    line = text[first : last if last >= 0 else len(text)].strip()
    if len(line) <= LONGEST_SHOWN:
        return line
    return text[max(first, start - 40) :][:LONGEST_SHOWN].strip()


_QUANTIFIERS = "*?{"
_FLAGS = re.compile(r"\(\?[a-zA-Z-]+[:)]")
_PUNCTUATION = frozenset("[](){}.*+?|^$\\/-:=\"'#&~!<>@, ")


def literal_of(pattern: str) -> str:
    """Return the longest text that every match must hold, case-folded; empty if none is certain.

    Groups and classes are skipped, and a pattern with an alternative outside of a group, or with flags, has none.
    """
    if _FLAGS.search(pattern):
        return ""
    runs: list[str] = [""]
    position = 0
    while position < len(pattern):
        if pattern[position] == "|":
            return ""
        char, position = _atom(pattern, position)
        optional = position < len(pattern) and pattern[position] in _QUANTIFIERS
        repeated = position < len(pattern) and pattern[position] == "+"
        if char and not optional:
            runs[-1] += char
        if not char or optional or repeated:
            runs.append("")
        position = _behind_quantifier(pattern, position)
    return max(runs, key=len).casefold()


def _atom(pattern: str, position: int) -> tuple[str, int]:
    """Read one atom: its literal character (empty if it has none) and the position behind it."""
    char = pattern[position]
    if char == "\\":
        escaped = pattern[position + 1 : position + 2]
        return (escaped if escaped in _PUNCTUATION else ""), position + 2
    if char == "[":
        end = position + 2 if pattern[position + 1 : position + 2] != "^" else position + 3
        while end < len(pattern) and pattern[end] != "]":
            end += 2 if pattern[end] == "\\" else 1
        return "", end + 1
    if char == "(":
        return "", _behind_group(pattern, position)
    return ("" if char in ".^$" else char), position + 1


def _behind_group(pattern: str, position: int) -> int:
    depth = 0
    while position < len(pattern):
        if pattern[position] == "\\":
            position += 1
        elif pattern[position] == "[":
            _, position = _atom(pattern, position)
            continue
        elif pattern[position] in "()":
            depth += 1 if pattern[position] == "(" else -1
            if depth == 0:
                return position + 1
        position += 1
    return position


def _behind_quantifier(pattern: str, position: int) -> int:
    if position < len(pattern) and pattern[position] == "{":
        position = pattern.find("}", position) + 1 or len(pattern)
    elif position < len(pattern) and pattern[position] in "*?+":
        position += 1
    if position < len(pattern) and pattern[position] in "?+":
        position += 1
    return position
