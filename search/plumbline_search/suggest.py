"""Completion of what is being typed: titles, headings and symptoms that hold all words, the last one as a beginning."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from plumbline_search.corpus import Corpus

_WORD = re.compile(r"[^\W_]+")
_LONGEST_TYPED = 120
_LONGEST_SHOWN = 120
_WEIGHT = {"guide": 3, "problem": 2, "diagnostic": 2, "page": 1}


@dataclass(frozen=True, slots=True)
class _Entry:
    text: str
    page: str
    url: str
    kind: str
    weight: int


class Suggester:
    """Completes queries over one corpus.

    Args:
        corpus: Its titles and headings are what is suggested.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._entries = list(_entries(corpus))
        by_word: dict[str, set[int]] = defaultdict(set)
        for number, entry in enumerate(self._entries):
            for word in _WORD.findall(f"{entry.text} {entry.page}".lower()):
                by_word[word].add(number)
        self._words = sorted(by_word)
        self._by_word = by_word

    def suggest(self, typed: str, limit: int = 8) -> list[dict[str, str]]:
        """Return what is probably meant, best first, as text, page, url and page_kind; nothing for no word."""
        words = _WORD.findall(typed[:_LONGEST_TYPED].lower())
        if not words:
            return []
        # A blank behind the last word says that it is complete; it still may be a beginning, but ranks lower.
        found = self._beginning(words[-1])
        for word in words[:-1]:
            found &= self._beginning(word)
        ordered = sorted(found, key=lambda number: self._rank(number, words))
        shown = [self._entries[number] for number in ordered[:limit]]
        return [{"text": entry.text, "page": entry.page, "url": entry.url, "page_kind": entry.kind} for entry in shown]

    def _beginning(self, start: str) -> set[int]:
        found: set[int] = set()
        for position in range(bisect_left(self._words, start), len(self._words)):
            if not self._words[position].startswith(start):
                break
            found |= self._by_word[self._words[position]]
        return found

    def _rank(self, number: int, words: list[str]) -> tuple[int, int, int, int]:
        entry = self._entries[number]
        whole = sum(1 for word in words if number in self._by_word.get(word, ()))
        starts = entry.text.lower().startswith(words[0])
        return -entry.weight, -whole, -starts, number


def _entries(corpus: Corpus) -> Iterator[_Entry]:
    seen: set[tuple[str, str]] = set()
    for page in corpus.pages:
        weight = _WEIGHT[page.kind] * 2
        named = [(page.title, page.url, weight)]
        named += [
            (section.heading, f"{page.url}#{section.anchor}" if section.anchor else page.url, weight - 1)
            for section in page.sections
        ]
        for text, url, given in named:
            if (page.id, text) not in seen:
                seen.add((page.id, text))
                yield _Entry(text[:_LONGEST_SHOWN], page.title, url, page.kind, given)
