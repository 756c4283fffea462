"""Reads when trainings were started, and with what: from the state of `plumb retrain`, or from anybody's log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from plumbline.deployment.retraining.decide import Act
from plumbline.deployment.retraining.state import KEPT_LOOKS, Store
from plumbline.evidence import UnavailableError

FORMAT = 'expected one object a line: {"started_at": 1790000000, "labels": 120, "outcome": "done"}'


@dataclass(frozen=True, slots=True)
class Training:
    """One training that was started.

    Args:
        at: Unix time of its start.
        labels: Labelled rows since the training of the version that served then.
        outcome: `done`, `failed`, `lost`, `running`; empty: unknown.
        trained_at: When the version that served then was trained, Unix time; None: unknown.
    """

    at: float
    labels: int
    outcome: str = ""
    trained_at: float | None = None

    def same_model(self, before: Training) -> bool:
        """Return whether the same version served at the training before this one; False where nobody knows."""
        return self.trained_at is not None and self.trained_at == before.trained_at

    def new_since(self, before: Training) -> int:
        """Return how many labels came since the training before."""
        return max(0, self.labels - before.labels) if self.same_model(before) else self.labels


class _Line(msgspec.Struct):
    started_at: float
    labels: int
    outcome: str = ""
    trained_at: float | None = None


class _Seen(msgspec.Struct):
    labels: int
    trained_at: float | None = None


def remembered(state: Path, model: str) -> tuple[list[Training], list[float]]:
    """Return the trainings of a model, oldest first, and the looks at which no rule held.

    Raises:
        DeploymentError: The state cannot be read.
    """
    store = Store(state, read_only=True)
    done = [_training(run.started_at, run.outcome, run.seen) for run in reversed(store.runs(model))]
    return done, [look.at for look in store.looks(model, KEPT_LOOKS) if look.act is Act.REST]


def _training(at: float, outcome: str, seen: str) -> Training:
    known = msgspec.json.decode(seen, type=_Seen)
    return Training(at, known.labels, outcome, known.trained_at)


def logged(path: Path) -> list[Training]:
    """Return the trainings of a log, oldest first.

    Raises:
        UnavailableError: It cannot be read, or a line is no such object.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UnavailableError("unreachable", f"{path}: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = msgspec.json.decode(line, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnavailableError("malformed", f"{path}:{number}: {error}; {FORMAT}") from None
        found.append(Training(one.started_at, one.labels, one.outcome, one.trained_at))
    return sorted(found, key=lambda one: one.at)
