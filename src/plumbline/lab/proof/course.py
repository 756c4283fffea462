"""The course of one proof: its phases so far, and what they found."""

from __future__ import annotations

from dataclasses import dataclass, field

from plumbline.diagnosis.report import Result
from plumbline.lab.fault import Felt
from plumbline.lab.service import Service

PHASES = ("baseline", "inject", "red", "found", "control", "fix", "green", "clean-up")
"""The phases, in order."""


_LONGEST = 80


class PhaseError(Exception):
    """A phase is red; the text says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: whether it is proven, one sentence with what was seen, and how long it took, in seconds."""

    name: str
    ok: bool
    sentence: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Found:
    """One query: where it comes from (`paraphrase`, `log`), and the guide's rank, from 1 (None: absent)."""

    query: str
    register: str
    rank: int | None


@dataclass(slots=True)
class Course:
    """What happened to one guide.

    Args:
        id: The problem's id.
        phases: Those that were tried, in order.
        baseline: The healthy service.
        felt: How the workload felt the fault.
        red: The linked diagnostic's result during the fault.
        green: Its result after the fix.
        healthy: All diagnostics' results in the baseline, by id.
        faulty: All diagnostics' results during the fault, by id.
        found: The queries and their ranks.
        decoys: (fence id, status of the linked diagnostic after it).
        time_to_red_s: From injection to the first red with a declared cause, in seconds.
        time_to_green_s: From the begin of the fix to the first of the lasting greens, in seconds.
        duration_s: Of the whole proof, in seconds.
        versions: What it was proven with: name → version.
    """

    id: str
    phases: list[Phase] = field(default_factory=list)
    baseline: Service | None = None
    felt: Felt | None = None
    red: Result | None = None
    green: Result | None = None
    healthy: dict[str, Result] = field(default_factory=dict)
    faulty: dict[str, Result] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    decoys: list[tuple[str, str]] = field(default_factory=list)
    time_to_red_s: float | None = None
    time_to_green_s: float | None = None
    duration_s: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        """True if every phase was tried and is proven."""
        return [phase.name for phase in self.phases] == list(PHASES) and all(phase.ok for phase in self.phases)

    @property
    def failed(self) -> Phase | None:
        """The first phase that is red."""
        return next((phase for phase in self.phases if not phase.ok), None)


def short(text: str) -> str:
    """Return what a program printed as one short line, for a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
