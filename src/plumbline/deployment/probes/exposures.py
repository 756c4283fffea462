"""Reads a log of exposures, ours or anybody's: one JSON object a line with a unit and an arm.

Outcomes, looks at the result and decisions are read as well, where somebody has written them down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from plumbline.deployment.experiments.log import Exposure, Outcome
from plumbline.evidence import UnavailableError

FORMAT = 'expected one object a line: {"unit": "u1", "arm": "control", "dimensions": {"platform": "ios"}}'


class _Line(msgspec.Struct):
    unit: str = ""
    arm: str = ""
    at: float | None = None
    dimensions: dict[str, str] = {}
    kind: str = "exposure"
    metric: str | None = None
    value: float = 1.0


@dataclass(frozen=True, slots=True)
class Decided:
    """Somebody ended the experiment.

    Args:
        arm: What was chosen.
        at: Unix time.
    """

    arm: str
    at: float


@dataclass(slots=True)
class Seen:
    """What a log says.

    Args:
        exposures: In the order of the file; one without a time has its line's number, for the first one counts.
        outcomes: The same.
        looks: When somebody looked at the result: lines `{"kind": "look", "at": …}`.
        decision: The last line `{"kind": "decision", "arm": …, "at": …}`, if there is one.
        timed: Whether all of these have a time.
        torn: Last lines without an end: somebody is writing, or was killed.
    """

    exposures: list[Exposure] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    decision: Decided | None = None
    timed: bool = True
    torn: int = 0


def seen(path: Path) -> Seen:
    """Read a log; kinds of lines that are not known are passed over.

    Raises:
        UnavailableError: The file cannot be read, or a line that is not the last is no such object.
    """
    found = Seen()
    for number, line in _lines(path):
        try:
            one = msgspec.json.decode(line, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if not line.rstrip().endswith(b"}"):  # cut off by a crash
                found.torn += 1
                continue
            raise UnavailableError("malformed", f"{path}:{number}: {error}; {FORMAT}") from None
        try:
            _sort(found, one, number)
        except ValueError as error:
            raise UnavailableError("malformed", f"{path}:{number}: {error}; {FORMAT}") from None
    return found


def _sort(found: Seen, one: _Line, number: int) -> None:
    at = float(number) if one.at is None else one.at
    kind = "outcome" if one.kind == "exposure" and one.metric is not None else one.kind
    if kind not in ("exposure", "outcome", "look", "decision"):
        return
    found.timed &= one.at is not None
    if kind == "look":
        found.looks.append(at)
        return
    if kind == "decision":
        found.decision = Decided(one.arm, at)
        return
    if not one.unit:
        raise ValueError("it names no unit")
    if kind == "outcome":
        found.outcomes.append(Outcome(one.unit, one.metric or "", one.value, at))
        return
    if not one.arm:
        raise ValueError("it names no arm")
    found.exposures.append(Exposure(one.unit, one.arm, at, one.dimensions))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except FileNotFoundError:
        raise UnavailableError("unreachable", f"there is no log of exposures at {path}") from None
    except PermissionError:
        raise UnavailableError("permission", f"{path} may not be read by this user") from None
    except OSError as error:
        raise UnavailableError("unreachable", f"{path}: {error.strerror}") from None
