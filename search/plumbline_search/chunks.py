"""Sections cut to what the embedding model reads at once, each with the headings that lead to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from plumbline_search.corpus import Corpus, Section

LONGEST = 900
"""Characters of a chunk's own text: with the headings about 256 tokens, which is all that the model reads."""
_OVERLAP = 120


@dataclass(frozen=True, slots=True)
class Chunk:
    """A text to embed.

    Args:
        section: Number of its section, in the corpus' order.
        text: Headings and content.
    """

    section: int
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, hexadecimal: the key of the embedding cache."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def chunks(corpus: Corpus) -> list[Chunk]:
    """Cut all sections."""
    return [
        Chunk(number, f"{_path(corpus.pages[page].title, section)}\n{piece}".strip())
        for number, (page, section) in enumerate(corpus.sections())
        for piece in pieces(section.text)
    ] + [
        Chunk(number, sentence)
        for number, (_, section) in enumerate(corpus.sections())
        for sentence in section.sentences
    ]


def pieces(text: str, longest: int = LONGEST, overlap: int = _OVERLAP) -> list[str]:
    """Cut a text into pieces that overlap a little, where a sentence or a word ends; no text gives one empty piece."""
    found: list[str] = []
    start = 0
    while len(text) - start > longest:
        end = _cut(text, start + longest // 2, start + longest)
        found.append(text[start:end].strip())
        start = max(start + 1, _word_start(text, end - overlap))
    found.append(text[start:].strip())
    return found


def _cut(text: str, low: int, high: int) -> int:
    window = text[low:high]
    for mark in (". ", "; ", ": ", " "):
        at = window.rfind(mark)
        if at >= 0:
            return low + at + len(mark)
    return high


def _word_start(text: str, position: int) -> int:
    space = text.find(" ", position, position + _OVERLAP // 2)
    return space + 1 if space >= 0 else position


def _path(title: str, section: Section) -> str:
    parts = [title, *section.breadcrumb, section.heading]
    return " > ".join(dict.fromkeys(parts))
