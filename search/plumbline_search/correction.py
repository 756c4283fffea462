"""Correction of misspelt words: only those that no page holds, and only to a near word that one does."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA

_SHORT = 6
"""A shorter word has many neighbours: a right one that the handbook happens not to hold would be "corrected"."""
_LONG = 9
"""From this length on, two slips are forgiven instead of one."""
_WORD = re.compile(rf"(?<![\w.\-/])[A-Za-z]{{{_SHORT},}}(?![\w.\-/])")


class Speller:
    """Finds the word that was meant among those of the handbook.

    Args:
        vocabulary: Words of the handbook, in lower case.
        known: Says whether a word has a hit as it stands.
    """

    def __init__(self, vocabulary: Iterable[str], known: Callable[[str], bool]) -> None:
        self._known = known
        self._by_first: dict[str, list[str]] = defaultdict(list)
        for word in vocabulary:
            if len(word) >= _SHORT - 1:
                self._by_first[word[0]].append(word)

    def correct(self, query: str) -> str | None:
        """Return the query with its misspelt words replaced, or None when there is nothing to replace.

        What stands in quotes is left alone.
        """
        pieces = re.split(r'("[^"]*")', query)
        fixed = "".join(
            piece if piece.startswith('"') else _WORD.sub(lambda match: self._word(match[0]), piece) for piece in pieces
        )
        return fixed if fixed != query else None

    def _word(self, word: str) -> str:
        lower = word.lower()
        # An acronym or a name in capitals is meant as it stands.
        if word.isupper() or self._known(lower):
            return word
        slips = 2 if len(lower) >= _LONG else 1
        best = process.extractOne(lower, self._near(lower, slips), scorer=OSA.distance, score_cutoff=slips)
        return best[0] if best else word

    def _near(self, word: str, slips: int) -> list[str]:
        # A slip in the first letter is rare; two letters that changed places are not.
        firsts = {word[0], word[1]}
        return [
            other for first in sorted(firsts) for other in self._by_first[first] if abs(len(other) - len(word)) <= slips
        ]
