"""What a gate says: pass, fail, or inconclusive, which is never a pass."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Outcome(enum.StrEnum):
    """How a gate ends. Without evidence (no traffic, too few rows) it is INCONCLUSIVE: that promotes nothing."""

    PASS = "pass"  # noqa: S105 (an outcome, not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate's answer.

    Args:
        gate: Its name, `parity`.
        outcome: Pass, fail or inconclusive.
        sentence: What was measured against which limit, with units.
        measured: The figures of the sentence by name; values that JSON can hold.
        took_s: How long the gate worked, in seconds.
    """

    gate: str
    outcome: Outcome
    sentence: str
    measured: Mapping[str, Any] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it is a pass; inconclusive is not."""
        return self.outcome is Outcome.PASS


def together(verdicts: Iterable[Verdict]) -> Outcome:
    """Return the outcome of a whole set: FAIL over INCONCLUSIVE over PASS; of no verdict at all INCONCLUSIVE."""
    outcomes = {verdict.outcome for verdict in verdicts}
    for worst in (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS):
        if worst in outcomes:
            return worst
    return Outcome.INCONCLUSIVE
