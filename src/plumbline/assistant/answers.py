"""What the tools answer: the output schemas that assistants see."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["ok", "warning", "critical", "unknown"]


class Answer(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True)


class Hit(Answer):
    """One result of a search: a heading."""

    id: str = Field(description="Id of the guide (read_guide), diagnostic or problem; path of another page.")
    title: str
    heading: str
    breadcrumb: list[str] = Field(description="Headings above it.")
    url: str = Field(description="Path on the site; what follows '#' is the anchor in the guide.")
    page_kind: str = Field(description="guide, diagnostic, problem or page.")
    score: float
    snippet: str
    why: dict[str, Any] = Field(description="Lanes of the search that found it, terms, log signature.")
    diagnostic: str | None = Field(None, description="Id of the diagnostic that would check it.")
    proven_at: str | None = Field(None, description="When the guide was last proven, ISO 8601.")


class Hits(Answer):
    """Answer of `search_handbook`."""

    query: str
    results: list[Hit] = Field(description="Best first; empty if there is no guide for it.")
    note: str | None = Field(None, description="What to do when there is no result.")


class Heading(Answer):
    """One heading of a guide."""

    heading: str
    anchor: str
    level: int


class GuideText(Answer):
    """Answer of `read_guide`."""

    id: str
    title: str
    description: str
    url: str = Field(description="Path on the site.")
    severity: Literal["page", "ticket"]
    component: str
    diagnostics: list[str] = Field(description="Ids for run_diagnostic; the first is the one to run.")
    related: list[str] = Field(description="Ids of other guides worth reading.")
    proven_at: str | None = Field(description="When it was last proven, ISO 8601; None if never.")
    headings: list[Heading]
    markdown: str = Field(description="The guide; each heading ends in {#anchor}.")


class Limit(Answer):
    """A threshold, with where it comes from."""

    name: str
    value: float
    unit: str
    text: str
    source: str


class DiagnosticLine(Answer):
    """One diagnostic in a list."""

    id: str
    question: str
    guides: list[str] = Field(description="Ids of the guides that cite it.")
    timeout_s: float | None = Field(description="Longest run in seconds; None if it cannot be loaded.")


class Diagnostics(Answer):
    """Answer of `list_diagnostics`."""

    diagnostics: list[DiagnosticLine]
    targets: list[str] = Field(description="Names that run_diagnostic takes as its target.")
    default_target: str


class Reading(Answer):
    """What a diagnostic reads for one piece of evidence."""

    evidence: str
    optional: bool
    sources: list[str] = Field(description="In the order of trying; the first that the target offers is read.")


class CauseText(Answer):
    """One cause that a diagnostic or the reader tells apart."""

    id: str
    title: str
    evidence: str = Field(description="What tells it from the others.")
    anchor: str = Field(description="Heading of the guide that mends it.")


class Explanation(Answer):
    """Answer of `explain_diagnostic`."""

    id: str
    question: str
    explanation: str
    reads: list[Reading]
    limits: list[Limit]
    causes: list[CauseText]
    guides: list[str]
    timeout_s: float | None
    broken: str | None = Field(description="Why it cannot be loaded; None if it can.")


class MeasureText(Answer):
    """One number of a finding."""

    name: str
    value: float
    unit: str
    text: str
    limit: Limit | None


class ResultText(Answer):
    """What one diagnostic found."""

    id: str
    question: str
    target: str
    status: Status
    reason: str | None = Field(description="Why it is not ok; for unknown: why nothing could be told.")
    sentence: str
    measures: list[MeasureText]
    cause: str | None
    impact: str | None
    next: list[str]
    guide: str = Field(description="Path of the guide on the site.")
    started_at: str
    duration_s: float
    reads: list[str]


class ReportText(Answer):
    """Answer of `run_diagnostic`: a report, redacted for sharing."""

    target: str
    worst: Status = Field(description="Worst status that could be told; unknown if none could.")
    complete: bool = Field(description="Whether every diagnostic came to a judgement; unknown is never ok.")
    started_at: str
    duration_s: float
    results: list[ResultText]
