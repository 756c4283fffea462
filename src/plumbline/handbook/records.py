"""The closed schemas: guide front matter, problem record, proof record, retired ids."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from plumbline.catalogue import ProblemId


def _an_id(text: str) -> str:
    return str(ProblemId.parse(text))


Id = Annotated[str, AfterValidator(_an_id)]
"""`<area>.<slug>`."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Anchor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Severity = Literal["page", "ticket"]
"""`page`: wake somebody; `ticket`: next working day."""
Seconds = Annotated[float, Field(gt=0, le=3600)]
Status = Literal["ok", "warning", "critical", "unknown"]


class Closed(BaseModel):
    """A schema that knows all its keys; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Front(Closed):
    """Front matter of a guide.

    Args:
        title: The symptom, as the reader would say it.
        description: One sentence for search results and link previews.
        diagnostics: Ids of the diagnostics that tell it; the first is the one to run.
        severity: `page` or `ticket`.
        component: What breaks, in words.
        tested: Name → version that the guide was tried with; versions are quoted.
        related: Ids of other guides worth reading.
    """

    title: Text
    description: Text
    diagnostics: Annotated[tuple[Id, ...], Field(min_length=1)]
    severity: Severity
    component: Text
    tested: dict[str, Text] = {}
    related: tuple[Id, ...] = ()


class Symptoms(Closed):
    """What is said, seen and thrown: three registers.

    Args:
        complaint: A user's or colleague's words.
        observation: What an engineer sees on a graph or in a tool.
        exception: What a program prints.
    """

    complaint: tuple[Text, ...] = ()
    observation: tuple[Text, ...] = ()
    exception: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _not_all_empty(self) -> Symptoms:
        if not (self.complaint or self.observation or self.exception):
            raise ValueError("a problem has a symptom: fill complaint, observation or exception")
        return self


class Signature(Closed):
    """A log line that means this problem.

    Args:
        pattern: Python regular expression, searched in a line.
        example: A line that it matches, verbatim.
        source: What writes that line.
    """

    pattern: Text
    example: Text
    source: Text


class Cause(Closed):
    """One reason for the problem.

    Args:
        id: Name, unique in the record; findings name it.
        title: The cause in one line.
        evidence: What tells it from the others.
        anchor: Heading of the guide that explains or mends it, without `#`.
    """

    id: Anchor
    title: Text
    evidence: Text
    anchor: Anchor


class Lookalike(Closed):
    """Another problem that looks like this one: by id if it has a guide, else by title."""

    id: Id | None = None
    title: Text | None = None
    differs: Text

    @model_validator(mode="after")
    def _named(self) -> Lookalike:
        if (self.id is None) == (self.title is None):
            raise ValueError("a look-alike has an id (if it has a guide) or a title, and only one of the two")
        return self


class Decoy(Closed):
    """A fix that is often recommended and does nothing; the guide's `.decoy` fence of this id shows it."""

    id: Anchor
    why: Text


class ProofLimits(Closed):
    """How long the proof waits, in seconds: until the diagnostic is red, and until it is green again."""

    detect_within_s: Seconds = 30.0
    recover_within_s: Seconds = 30.0


class Problem(Closed):
    """A problem record: `kb/<area>/<slug>/problem.yml`.

    Args:
        id: The problem's id; equals the path.
        title: The problem in one line.
        severity: `page` or `ticket`.
        platforms: Where it can occur.
        symptoms: In three registers.
        signatures: Log lines that mean it.
        causes: Most likely first.
        lookalikes: What it is mistaken for.
        decoys: Fixes that do nothing.
        collateral: Diagnostics that may be red too while this fault lasts.
        paraphrases: Queries held out for the proof; never indexed.
        proof: Time limits of the proof.
        component_paths: Globs below `src/`; a change there makes the proof stale.
    """

    id: Id
    title: Text
    severity: Severity
    platforms: Annotated[tuple[Literal["linux", "macos"], ...], Field(min_length=1)]
    symptoms: Symptoms
    signatures: tuple[Signature, ...] = ()
    causes: Annotated[tuple[Cause, ...], Field(min_length=1)]
    lookalikes: tuple[Lookalike, ...] = ()
    decoys: tuple[Decoy, ...] = ()
    collateral: tuple[Id, ...] = ()
    paraphrases: Annotated[tuple[Text, ...], Field(min_length=1)]
    proof: ProofLimits = ProofLimits()
    component_paths: tuple[Text, ...] = ()


class Retired(Closed):
    """What became of an id that is no longer used: its successor, or the reason why there is none."""

    successor: Id | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Retired:
        if self.successor is None and self.reason is None:
            raise ValueError("a retired id names its successor or the reason")
        return self


class Phase(Closed):
    """One phase of a proof."""

    name: Text
    ok: bool
    sentence: str
    duration_s: float


class Cell(Closed):
    """One cell of the fault and diagnostic matrix: the diagnostic's status without and with the fault."""

    healthy: Status
    fault: Status


class Count(Closed):
    """How often a diagnostic was red, over all recorded runs."""

    red: Annotated[int, Field(ge=0)]
    runs: Annotated[int, Field(ge=0)]


class Likelihoods(Closed):
    """How often the diagnostic was red with the fault, and without it."""

    red_given_fault: Count
    red_given_healthy: Count


class Found(Closed):
    """One query of the proof, and the guide's rank among the answers (None: not among them)."""

    query: str
    register_: Annotated[str, Field(alias="register")]
    rank: int | None


class TriedDecoy(Closed):
    """A decoy that the proof executed, and the status after it."""

    id: str
    status: Status


class Proof(Closed):
    """A proof record: `docs/proof/<area>/<slug>.json`; times in seconds. `plumb prove` writes it."""

    schema_: Annotated[Literal["plumbline.proof/1"], Field(alias="schema")]
    id: Id
    proven: bool
    proven_at: datetime
    duration_s: float
    time_to_red_s: float | None
    time_to_green_s: float | None
    phases: tuple[Phase, ...]
    felt: str | None
    red: dict[str, Any] | None
    green: dict[str, Any] | None
    matrix: dict[str, Cell]
    likelihoods: Likelihoods
    found: tuple[Found, ...]
    decoys: tuple[TriedDecoy, ...]
    versions: dict[str, str]
    inputs: dict[str, str]
