"""A complaint: where, what, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import process

_NEAR = 70.0  # rapidfuzz score (0 to 100) from which a name is near enough to be meant


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """One fault in the catalogue.

    Args:
        path: The file, relative to the catalogue's root.
        line: The line of the offending token, from 1.
        sentence: What is wrong, and what was probably meant.
    """

    path: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sentence}"


class HandbookError(Exception):
    """The catalogue has faults that keep it from being read.

    Args:
        complaints: All of them, sorted.
    """

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = sorted(complaints)
        super().__init__("\n".join(str(complaint) for complaint in self.complaints))


def hint(token: str, known: Iterable[str]) -> str:
    """Return `; did you mean '…'?` for the nearest known name, or nothing if none is near."""
    best = process.extractOne(token, list(known), score_cutoff=_NEAR)
    return f"; did you mean '{best[0]}'?" if best else ""


def unknown(kind: str, token: str, known: Iterable[str], verb: str = "does not exist") -> str:
    """Say that a name leads nowhere, with the nearest that would."""
    return f"{kind} '{token}' {verb}{hint(token, known)}"
