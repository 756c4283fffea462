"""What an answer looks like; HTTP, `find` and the command line give the same fields."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Mode = Literal["hybrid", "lexical"]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a result stands where it stands.

    Args:
        lanes: What each lane gave to the score.
        terms: Words of the query that the page holds, as they were written.
        signature: The line of the query that a declared log signature matched.
    """

    lanes: dict[str, float]
    terms: list[str]
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One heading that answers.

    Args:
        id: The problem's id, or the page's path.
        title: Title of the page.
        heading: The heading that answers best.
        breadcrumb: Headings above it, the page's title first.
        url: Path on the site, with the heading's anchor.
        page_kind: guide, diagnostic, problem or page.
        score: Sum of the lanes; comparable within one answer only.
        snippet: Text from below the heading.
        highlights: Spans [start, end) of the snippet that the query named, in characters.
        why: Why it stands here.
        diagnostic: Id of the diagnostic to run.
        proven_at: When the guide was last proven, ISO 8601.
    """

    id: str
    title: str
    heading: str
    breadcrumb: tuple[str, ...]
    url: str
    page_kind: str
    score: float
    snippet: str
    highlights: list[tuple[int, int]]
    why: Why
    diagnostic: str | None = None
    proven_at: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query.

    Args:
        query: The query as it was asked, cut to what fits a log line.
        kind: question, error or log.
        mode: `hybrid`, or `lexical` when the embeddings cannot be had.
        notice: One sentence for the reader: why it is lexical only, or what was left out; None if all is well.
        took_ms: Time inside the engine, in milliseconds.
        no_guide: True when nothing answers well enough; then `results` is empty and `nearest` holds what came closest.
        ask: A question back that would help.
        corrected: The query after correction of misspelt words.
        confidence: How sure the best result is, 0 to 1; what the threshold is held against.
        results: Best first.
        nearest: What came closest when there is no guide.
    """

    query: str
    kind: str
    mode: Mode
    notice: str | None
    took_ms: float
    no_guide: bool
    ask: str | None
    corrected: str | None
    confidence: float
    results: list[Result] = field(default_factory=list)
    nearest: list[Result] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)
