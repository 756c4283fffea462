"""The lexical lane: BM25 over whole pages, title weighted, and over their sections to choose the heading."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

from plumbline_search.corpus import Corpus, Page, Section
from plumbline_search.fusion import Scores
from plumbline_search.tokens import terms

TITLE_WEIGHT = 3
"""How often a page's title counts; measured on 74 questions over 858 pages (DESIGN, section 5)."""
HEADING_WEIGHT = 2
"""How often a heading counts in its section."""
_PAGES, _SECTIONS, _WORDS = "pages.bm25", "sections.bm25", "words.json"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """BM25 of a corpus, and what it knows of its words.

    Args:
        pages: BM25 over pages.
        sections: BM25 over sections.
        vocabulary: Words as they are written, in lower case, for correction.
    """

    pages: Any
    sections: Any
    vocabulary: tuple[str, ...]

    @classmethod
    def of(cls, corpus: Corpus) -> Lexicon:
        """Index a corpus in memory."""
        pages = _index([_page_terms(page) for page in corpus.pages])
        sections = _index([_section_terms(section) for _, section in corpus.sections()])
        return cls(pages, sections, _vocabulary(corpus))

    def save(self, folder: Path) -> None:
        """Write the lexicon into a folder."""
        self.pages.save(folder / _PAGES, show_progress=False)
        self.sections.save(folder / _SECTIONS, show_progress=False)
        (folder / _WORDS).write_text(json.dumps(self.vocabulary, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Lexicon:
        """Read what `save` wrote.

        Raises:
            ValueError, OSError, KeyError: The folder does not hold a lexicon.
        """
        vocabulary = json.loads((folder / _WORDS).read_text(encoding="utf-8"))
        return cls(bm25s.BM25.load(folder / _PAGES), bm25s.BM25.load(folder / _SECTIONS), tuple(vocabulary))

    @property
    def n_pages(self) -> int:
        """Number of pages."""
        return int(self.pages.scores["num_docs"])

    def score_pages(self, query: list[str]) -> Scores:
        """Return the BM25 score of each page, shape (n_pages,)."""
        return _scores(self.pages, query)

    def score_sections(self, query: list[str]) -> Scores:
        """Return the BM25 score of each section, shape (n_sections,)."""
        return _scores(self.sections, query)

    def holders(self, term: str) -> frozenset[int]:
        """Return the numbers of the pages that hold a term."""
        number = self.pages.vocab_dict.get(term)
        if number is None:
            return frozenset()
        start, end = self.pages.scores["indptr"][number : number + 2]
        return frozenset(self.pages.scores["indices"][start:end].tolist())

    def knows(self, term: str) -> bool:
        """Say whether any page holds the term."""
        return term in self.pages.vocab_dict

    def rarity(self, term: str) -> float:
        """Return the term's inverse document frequency (BM25's, never negative); what no page holds is the rarest."""
        number = self.pages.vocab_dict.get(term)
        bounds = self.pages.scores["indptr"]
        held = 0 if number is None else int(bounds[number + 1] - bounds[number])
        return math.log(1 + (self.n_pages - held + 0.5) / (held + 0.5))


def _scores(index: Any, query: list[str]) -> Scores:
    known = [term for term in dict.fromkeys(query) if term in index.vocab_dict]
    if not known:
        return np.zeros(int(index.scores["num_docs"]), dtype=np.float32)
    return np.asarray(index.get_scores(known), dtype=np.float32)


def _index(documents: list[list[str]]) -> Any:
    # A document without a term would make bm25s count wrong; this one is never asked for.
    documents = [document or ["\0"] for document in documents]
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, backend="numpy")
    index.index(documents, show_progress=False)
    return index


def _page_terms(page: Page) -> list[str]:
    found = terms(page.title) * TITLE_WEIGHT
    for section in page.sections:
        if section.heading != page.title:
            found += terms(section.heading)
        found += terms(section.text)
    if page.kind != "page":
        found += terms(page.id)
    return found


def _section_terms(section: Section) -> list[str]:
    return terms(section.heading) * HEADING_WEIGHT + terms(section.text)


def _vocabulary(corpus: Corpus) -> tuple[str, ...]:
    found = Counter[str]()
    for page in corpus.pages:
        text = " ".join([page.title, *(f"{section.heading} {section.text}" for section in page.sections)])
        found.update(word for word in text.lower().replace("_", " ").replace("-", " ").split() if word.isalpha())
    return tuple(sorted(found))
