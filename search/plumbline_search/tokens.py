"""Text to search terms: stems for words, and numbers, error codes, identifiers and their parts as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

# A word, or words joined by . _ - as identifiers, versions and file names are.
_COMPOUND = re.compile(r"[^\W_]+(?:[._\-][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_STOP_WORDS = """
a about am an and any are as at be been being but by can could did do does doing for from had has have he her his
how i if in into is it its just me my of on or our out she should so some such than that the their them then there
these they this those to too us was we were what when where which who why will with would you your
"""
_STOP = frozenset(_STOP_WORDS.split())
_STEMMER = Stemmer.Stemmer("english")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text, and the terms under which it is found.

    Args:
        start: Offset of its first character.
        end: Offset behind its last.
        terms: Its search terms; empty for a stop word.
    """

    start: int
    end: int
    terms: tuple[str, ...]


def words(text: str) -> Iterator[Word]:
    """Yield the words of a text with their terms."""
    for match in _COMPOUND.finditer(text):
        yield Word(match.start(), match.end(), _terms(match[0]))


def terms(text: str) -> list[str]:
    """Return the search terms of a text, in order, with repetitions.

    `OOMKilled` gives `oomkil`, `oom`, `kill`; `tcp_max_syn_backlog` gives itself and its four parts; `24` stays `24`.
    """
    return [term for match in _COMPOUND.finditer(text) for term in _terms(match[0])]


@lru_cache(maxsize=65536)
def _terms(compound: str) -> tuple[str, ...]:
    parts = _PART.findall(compound)
    found = [compound.lower()] if len(parts) > 1 else []
    for part in parts:
        lower = part.lower()
        if lower not in _STOP:
            found.append(stem(lower))
        humps = _HUMP.findall(part)
        if len(humps) > 1 and part not in (lower, part.upper()):
            found += [stem(hump.lower()) for hump in humps if len(hump) > 1 and hump.lower() not in _STOP]
    return tuple(dict.fromkeys(found))


def stem(word: str) -> str:
    """Return the stem of a lower-case word; what holds a digit stays whole."""
    return str(_STEMMER.stemWord(word)) if word.isalpha() else word


def is_stop_word(word: str) -> bool:
    """Say whether a word tells nothing."""
    return word.lower() in _STOP
