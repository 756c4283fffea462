"""The part of a section that answers best, and where the query's words stand in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from plumbline_search.tokens import Word, words

LENGTH = 240
"""Characters of a snippet at most, the marks for what is left out included."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Text to show, and the spans [start, end) in it to highlight."""

    text: str
    highlights: list[tuple[int, int]]


def snippet(text: str, wanted: set[str], rarity: Callable[[str], float], length: int = LENGTH) -> Snippet:
    """Cut the window of a text that holds the rarest of the wanted terms.

    Args:
        text: Plain text of a section.
        wanted: The query's terms.
        rarity: Weight of a term.
        length: Characters of the result at most.
    """
    hits = [word for word in _words(text) if wanted.intersection(word.terms)]
    start = _start(text, hits, wanted, rarity, length - 2)
    end = min(len(text), start + length - 2)
    if end < len(text):
        space = text.rfind(" ", start, end)
        end = space if space > start + length // 2 else end
    lead, trail = "…" if start else "", "…" if end < len(text) else ""
    shift = len(lead) - start
    inside = [(word.start + shift, word.end + shift) for word in hits if word.start >= start and word.end <= end]
    return Snippet(f"{lead}{text[start:end]}{trail}", inside)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[Word, ...]:
    """Keep the words of a section: the same ones are shown again and again."""
    return tuple(word for word in words(text) if word.terms)


def _start(text: str, hits: list[Word], wanted: set[str], rarity: Callable[[str], float], length: int) -> int:
    best, best_score = 0, -1.0
    for number, first in enumerate(hits):
        held: set[str] = set()
        for word in hits[number:]:
            if word.end - first.start > length:
                break
            held |= wanted.intersection(word.terms)
        score = sum(rarity(term) for term in held)
        if score > best_score:
            best, best_score = first.start, score
    if best + length >= len(text):
        best = max(0, len(text) - length)
    return _sentence_start(text, best)


def _sentence_start(text: str, position: int, reach: int = 60) -> int:
    if position == 0:
        return 0
    for mark in (". ", ": ", "· ", " "):
        found = text.rfind(mark, max(0, position - reach), position + (1 if mark == " " else 0))
        if found >= 0:
            return found + len(mark)
        if position <= reach:
            return 0
    return position
