"""The log of exposures and outcomes: one JSON object a line, appended whole, so that `kill -9` costs one line at most.

Exposures are written when a unit first *meets* its arm, not when it is assigned: who never saw anything dilutes the
answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from plumbline.deployment.core.errors import FullError, InvalidError, UnavailableError


@dataclass(frozen=True, slots=True)
class Exposure:
    """A unit met its arm.

    Args:
        unit: Its key.
        arm: The arm's name.
        at: Unix time in seconds.
        dimensions: What the unit is, for a look at parts: `{"platform": "ios"}`.
    """

    unit: str
    arm: str
    at: float
    dimensions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something was measured of a unit.

    Args:
        unit: Its key.
        metric: The metric's name.
        value: Finite; 1 for "it happened".
        at: Unix time in seconds.
    """

    unit: str
    metric: str
    value: float
    at: float


Entry = Exposure | Outcome


@dataclass(slots=True)
class Read:
    """What a log holds.

    Args:
        exposures: In the order of the file.
        outcomes: In the order of the file.
        torn: Lines that a crash cut off; they are left out.
    """

    exposures: list[Exposure] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    torn: int = 0


class Log:
    """Appends; several processes may append to one file, for each line is one write.

    Args:
        path: The file; made when missing.
        durable: Whether each entry is on the disk when `add` returns. Off, a machine's crash (not a process') loses
            the last seconds.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise UnavailableError(f"{path}: {error.strerror}; exposures cannot be written", path=str(path)) from error
        self._mend()

    def add(self, entry: Entry) -> None:
        """Append one entry.

        Raises:
            FullError: The disk takes no more; what was written of the line is taken back.
        """
        kind = "exposure" if isinstance(entry, Exposure) else "outcome"
        line = msgspec.json.encode({"kind": kind, **msgspec.to_builtins(entry)}) + b"\n"
        before = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            if self._durable:
                os.fdatasync(self._fd)
        except OSError as error:
            raise FullError(f"{self.path}: {error.strerror}; the entry is not logged", path=str(self.path)) from error
        if written != len(line):
            os.ftruncate(self._fd, before)
            raise FullError(f"{self.path}: no space left on the device; the entry is not logged", path=str(self.path))

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _mend(self) -> None:
        """End a line that a crash cut off, so that the next entry does not become part of it."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")


def read(path: Path) -> Read:
    """Read a log.

    Raises:
        InvalidError: The file is not there, or a line in the middle is no entry; the sentence names it.
    """
    found = Read()
    for number, line in enumerate(_lines(path), 1):
        try:
            entry = _entry(line)
        except (msgspec.MsgspecError, ValueError) as error:
            if not line.rstrip().endswith(b"}"):
                found.torn += 1
                continue
            raise InvalidError(f"{path}:{number}: {error}", path=str(path), line=number) from error
        if isinstance(entry, Exposure):
            found.exposures.append(entry)
        elif entry is not None:
            found.outcomes.append(entry)
    return found


def _entry(line: bytes) -> Entry | None:
    if not line.strip():
        return None
    kind = msgspec.json.decode(line, type=dict[str, object]).get("kind")
    if kind not in ("exposure", "outcome"):
        raise ValueError(f'expected "kind": "exposure" or "outcome", not {kind!r}')
    if kind == "exposure":
        return msgspec.json.decode(line, type=Exposure)
    return msgspec.json.decode(line, type=Outcome)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidError(f"{path}: {error.strerror}; name the log of exposures", path=str(path)) from error
    with file:
        yield from file
