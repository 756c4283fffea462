"""One query against one corpus: lanes, fusion, confidence, results. It never changes, so many threads may ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from plumbline_search.answers import Answer, Mode, Result
from plumbline_search.confidence import ENOUGH, coverage, question_back
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
class Query:
    """A query as it was read: its kind, the text that is searched, its terms and literal phrases."""

    kind: Kind
    text: str
    corrected: str | None
    terms: list[str]
    phrases: list[str]


@dataclass(frozen=True, slots=True)
class Lanes:
    """What each lane scored, for pages and for sections."""

    pages: dict[str, Scores]
    sections: dict[str, Scores]
    matches: Matches
    cosines: Scores | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranking, and how sure its first page is.

    Args:
        read: The query as it was read.
        lanes: Scores by lane.
        fused: Their weighted sum.
        weights: What they were summed with.
        order: Numbers of the pages, best first.
        cosine: Cosine of the first page's best chunk; 0 without embeddings.
        coverage: Share of the query's words that the first page holds, weighted by rarity.
        confidence: How sure the first page is, 0 to 1.
    """

    read: Query
    lanes: Lanes
    fused: Fused
    weights: Weights
    order: list[int]
    cosine: float
    coverage: float
    confidence: float


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
    guides: Scores = field(init=False)

    def __post_init__(self) -> None:
        declared = [(number, one.pattern) for number, page in enumerate(self.corpus.pages) for one in page.signatures]
        self.signatures = Signatures(declared)
        self.speller = Speller(self.lexicon.vocabulary, lambda word: self.lexicon.knows(stem(word)) or not terms(word))
        self.section_pages = [page for page, _ in self.corpus.sections()]
        self.guides = np.array([page.kind != "page" for page in self.corpus.pages], dtype=np.float32)
        self.page_sections = [[] for _ in self.corpus.pages]
        for section, page in enumerate(self.section_pages):
            self.page_sections[page].append(section)

    @property
    def mode(self) -> Mode:
        """`hybrid` if it can embed."""
        return "hybrid" if self.dense is not None and self.embed is not None else "lexical"

    def answer(self, query: str, *, limit: int = 10, kind: Kind | None = None) -> Answer:
        """Answer a query.

        Args:
            query: What was asked, not empty, already bounded in length.
            limit: Results at most.
            kind: Take it for this kind instead of telling it from its form.
        """
        started = time.perf_counter()
        ranked = self.rank(query, kind=kind)
        no_guide = ranked.confidence < ENOUGH
        results = self._results(ranked, NEAREST if no_guide else limit)
        read = ranked.read
        return Answer(
            query=query[:SHOWN_QUERY],
            kind=read.kind.value,
            mode="hybrid" if ranked.lanes.cosines is not None else "lexical",
            notice=_notice(ranked.lanes.matches),
            took_ms=round((time.perf_counter() - started) * 1000, 3),
            no_guide=no_guide,
            ask=question_back(read.kind, read.phrases) if no_guide else None,
            corrected=read.corrected,
            confidence=round(ranked.confidence, 4),
            results=[] if no_guide else results,
            nearest=results if no_guide else [],
        )

    def rank(self, query: str, *, kind: Kind | None = None, weights: Weights | None = None) -> Ranked:
        """Rank the pages for a query, whether or not one answers well enough.

        Args:
            query: What was asked.
            kind: Take it for this kind instead of telling it from its form.
            weights: Weigh with these instead of the shipped ones (the evaluation does).
        """
        read = self._read(query, kind)
        chosen = weights or self.weights[read.kind]
        lanes = self._lanes(query, read)
        fused = fuse(lanes.pages, chosen.lanes(embedded=lanes.cosines is not None))
        order = [number for number in ranked(fused.total) if self._counts(number, lanes, read)]
        order = [number for number in order if fused.total[number] >= TAIL * fused.total[order[0]]]
        if not order:
            return Ranked(read, lanes, fused, chosen, [], 0.0, 0.0, 0.0)
        best = order[0]
        held = coverage(self.lexicon, read.terms, best)
        cosine = float(lanes.cosines[best]) if lanes.cosines is not None else 0.0
        if chosen.signature > 0 and best in lanes.matches.found:
            sure = 1.0
        else:
            sure = (chosen.lexical_sure if lanes.cosines is None else chosen.hybrid_sure).sure(cosine, held)
        return Ranked(read, lanes, fused, chosen, order, cosine, held, sure)

    def _read(self, query: str, kind: Kind | None) -> Query:
        kind = kind or kind_of(query)
        text = telling(query) if kind is Kind.LOG else query
        corrected = self.speller.correct(text) if kind is Kind.QUESTION else None
        # The original stays in the query: a correction only adds.
        found = list(dict.fromkeys(terms(text) + (terms(corrected) if corrected else [])))
        if corrected:
            found = [term for term in found if self.lexicon.knows(term) or term in terms(corrected)]
        return Query(kind, text, corrected, found, phrases_of(query, kind))

    def _lanes(self, query: str, read: Query) -> Lanes:
        matches = self.signatures.search(query)
        hits = np.zeros(len(self.corpus.pages), dtype=np.float32)
        hits[list(matches.found)] = 1.0
        pages = {"signature": hits, "lexical": self.lexicon.score_pages(read.terms), "guide": self.guides}
        sections = {"lexical": self.lexicon.score_sections(read.terms)}
        cosines = None
        if self.dense is not None and self.embed is not None:
            text = telling(query, LOG_FOR_EMBEDDING) if read.kind is Kind.LOG else read.corrected or read.text
            cosines, sections["dense"] = self.dense.score(self.embed(text))
            pages["dense"] = cosines
        return Lanes(pages, sections, matches, cosines)

    def _counts(self, number: int, lanes: Lanes, read: Query) -> bool:
        if number in lanes.matches.found:
            return True  # a program wrote it, so what is quoted in it are names of its own
        if read.phrases and not holds(self.corpus.pages[number], read.phrases):
            return False
        return lanes.cosines is not None or lanes.pages["lexical"][number] > 0

    def _results(self, ranked: Ranked, limit: int) -> list[Result]:
        found = [self._found(number, ranked) for number in ranked.order[:limit]]
        return [result_of(self.corpus, self.lexicon, one, ranked.read.terms) for one in found]

    def _found(self, number: int, given: Ranked) -> Found:
        read, lanes, fused = given.read, given.lanes, given.fused
        of_page = self.page_sections[number]
        within = fuse({name: scores[of_page] for name, scores in lanes.sections.items()}, given.weights.lanes())
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
