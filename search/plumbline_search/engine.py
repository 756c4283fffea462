"""One query against one corpus: lanes, fusion, confidence, results. It never changes, so many threads may ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from plumbline_search.answers import Answer, Mode
from plumbline_search.confidence import confidence, question_back
from plumbline_search.corpus import Corpus
from plumbline_search.correction import Speller
from plumbline_search.fusion import Fused, Scores, fuse, ranked
from plumbline_search.kinds import Kind, kind_of, telling
from plumbline_search.lexical import Lexicon
from plumbline_search.phrases import holds, phrases_of
from plumbline_search.results import Found, result_of
from plumbline_search.signatures import Matches, Signatures
from plumbline_search.tokens import stem, terms
from plumbline_search.vectors import Dense, Vectors
from plumbline_search.weights import Weights

Embed = Callable[[str], Vectors]
LOG_FOR_EMBEDDING = 1_000
"""Characters of a log's most telling lines that are embedded: about the 256 tokens that the model reads."""
SHOWN_QUERY = 500
NEAREST = 3
TAIL = 0.2
"""Share of the best score below which a page is not shown: with few pages even the worst has some score."""


@dataclass(frozen=True, slots=True)
class _Query:
    kind: Kind
    text: str
    corrected: str | None
    terms: list[str]
    phrases: list[str]


@dataclass(frozen=True, slots=True)
class _Lanes:
    pages: dict[str, Scores]
    sections: dict[str, Scores]
    matches: Matches
    cosines: Scores | None


@dataclass(slots=True)
class Engine:
    """Answers queries.

    Args:
        corpus: What is searched.
        lexicon: BM25 over it.
        weights: By kind of query.
        dense: Embeddings of its chunks; None for lexical answers only.
        embed: Embeds a query as the chunks were embedded; None for lexical answers only.
    """

    corpus: Corpus
    lexicon: Lexicon
    weights: Mapping[Kind, Weights]
    dense: Dense | None = None
    embed: Embed | None = None
    signatures: Signatures = field(init=False)
    speller: Speller = field(init=False)
    section_pages: list[int] = field(init=False)
    page_sections: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        declared = [(number, one.pattern) for number, page in enumerate(self.corpus.pages) for one in page.signatures]
        self.signatures = Signatures(declared)
        self.speller = Speller(self.lexicon.vocabulary, lambda word: self.lexicon.knows(stem(word)) or not terms(word))
        self.section_pages = [page for page, _ in self.corpus.sections()]
        self.page_sections = [[] for _ in self.corpus.pages]
        for section, page in enumerate(self.section_pages):
            self.page_sections[page].append(section)

    @property
    def mode(self) -> Mode:
        """`hybrid` if it can embed."""
        return "hybrid" if self.dense is not None and self.embed is not None else "lexical"

    def answer(
        self, query: str, *, limit: int = 10, kind: Kind | None = None, weights: Weights | None = None
    ) -> Answer:
        """Answer a query.

        Args:
            query: What was asked, not empty, already bounded in length.
            limit: Results at most.
            kind: Take it for this kind instead of telling it from its form.
            weights: Weigh with these instead of the shipped ones (the evaluation does).
        """
        started = time.perf_counter()
        read = self._read(query, kind)
        chosen = weights or self.weights[read.kind]
        lanes = self._lanes(query, read)
        fused = fuse(lanes.pages, chosen.lanes())
        order = [number for number in ranked(fused.total) if self._counts(number, lanes, read)]
        order = [number for number in order if fused.total[number] >= TAIL * fused.total[order[0]]]
        matched = bool(order) and chosen.signature > 0 and order[0] in lanes.matches.found
        sure = 1.0 if matched else confidence(self.lexicon, read.terms, order, lanes.cosines, chosen.cosine_share)
        threshold = chosen.hybrid_threshold if lanes.cosines is not None else chosen.lexical_threshold
        no_guide = not order or sure < threshold
        found = [self._found(number, fused, lanes, read, chosen) for number in order[: NEAREST if no_guide else limit]]
        results = [result_of(self.corpus, self.lexicon, one, read.terms) for one in found]
        return Answer(
            query=query[:SHOWN_QUERY],
            kind=read.kind.value,
            mode="hybrid" if lanes.cosines is not None else "lexical",
            notice=_notice(lanes.matches),
            took_ms=round((time.perf_counter() - started) * 1000, 3),
            no_guide=no_guide,
            ask=question_back(read.kind, read.phrases) if no_guide else None,
            corrected=read.corrected,
            confidence=round(sure, 4),
            results=[] if no_guide else results,
            nearest=results if no_guide else [],
        )

    def _read(self, query: str, kind: Kind | None) -> _Query:
        kind = kind or kind_of(query)
        text = telling(query) if kind is Kind.LOG else query
        corrected = self.speller.correct(text) if kind is Kind.QUESTION else None
        # The original stays in the query: a correction only adds.
        found = list(dict.fromkeys(terms(text) + (terms(corrected) if corrected else [])))
        if corrected:
            found = [term for term in found if self.lexicon.knows(term) or term in terms(corrected)]
        return _Query(kind, text, corrected, found, phrases_of(query, kind))

    def _lanes(self, query: str, read: _Query) -> _Lanes:
        matches = self.signatures.search(query)
        hits = np.zeros(len(self.corpus.pages), dtype=np.float32)
        hits[list(matches.found)] = 1.0
        pages = {"signature": hits, "lexical": self.lexicon.score_pages(read.terms)}
        sections = {"lexical": self.lexicon.score_sections(read.terms)}
        cosines = None
        if self.dense is not None and self.embed is not None:
            text = telling(query, LOG_FOR_EMBEDDING) if read.kind is Kind.LOG else read.corrected or read.text
            cosines, sections["dense"] = self.dense.score(self.embed(text))
            pages["dense"] = cosines
        return _Lanes(pages, sections, matches, cosines)

    def _counts(self, number: int, lanes: _Lanes, read: _Query) -> bool:
        if read.phrases and not holds(self.corpus.pages[number], read.phrases):
            return False
        return lanes.cosines is not None or lanes.pages["lexical"][number] > 0 or number in lanes.matches.found

    def _found(self, number: int, fused: Fused, lanes: _Lanes, read: _Query, chosen: Weights) -> Found:
        of_page = self.page_sections[number]
        within = fuse({name: scores[of_page] for name, scores in lanes.sections.items()}, chosen.lanes())
        match = lanes.matches.found.get(number)
        return Found(
            page=number,
            section=ranked(within.total)[0],
            score=float(fused.total[number]),
            lanes={name: round(float(part[number]), 4) for name, part in fused.lanes.items() if part[number] > 0},
            signature=match.line if match else None,
            phrases=read.phrases,
            query=read.corrected or read.text,
        )


def _notice(matches: Matches) -> str | None:
    if matches.untried:
        return f"{matches.untried} log signature(s) were not tried: they took longer than the time for one query."
    return None
