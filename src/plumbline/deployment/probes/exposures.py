"""Reads a log of exposures, ours or anybody's: one JSON object a line with a unit and an arm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from plumbline.deployment.experiments.log import Exposure
from plumbline.evidence import UnavailableError

FORMAT = 'expected one object a line: {"unit": "u1", "arm": "control", "dimensions": {"platform": "ios"}}'


class _Line(msgspec.Struct):
    unit: str
    arm: str = ""
    at: float | None = None
    dimensions: dict[str, str] = {}
    kind: str = "exposure"
    metric: str | None = None


@dataclass(slots=True)
class Seen:
    """What a log says of exposures.

    Args:
        exposures: In the order of the file; one without a time has its line's number, for the first one counts.
        torn: Last lines without an end: somebody is writing, or was killed.
    """

    exposures: list[Exposure] = field(default_factory=list)
    torn: int = 0


def seen(path: Path) -> Seen:
    """Read the exposures of a log; outcomes and other kinds of lines are passed over.

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
        if one.kind == "exposure" and one.metric is None:
            if not one.arm:
                raise UnavailableError("malformed", f"{path}:{number}: it names no arm; {FORMAT}")
            at = float(number) if one.at is None else one.at
            found.exposures.append(Exposure(one.unit, one.arm, at, one.dimensions))
    return found


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
