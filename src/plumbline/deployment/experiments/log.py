"""The log of exposures and outcomes: one JSON object a line, appended whole, so that `kill -9` costs one line at most.

Exposures are written when a unit first *meets* its arm, not when it is assigned: who never saw anything dilutes the
answer.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

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

_NOTES = ("look", "decision")
"""Lines of others about the experiment, who looked and what was decided: no statistic is made of them."""


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
    """Appends; several processes may append to one file.

    Args:
        path: The file; made when missing.
        sync_s: Longest time between two flushes to the disk, in seconds: 0 flushes each entry before `add` returns,
            infinity leaves it to the kernel. What a process wrote survives its `kill -9` in any case; a power cut costs
            what was not flushed.
    """

    def __init__(self, path: Path, *, sync_s: float = 0.0) -> None:
        self.path = path
        self._sync_s = sync_s
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise UnavailableError(f"{path}: {error.strerror}; exposures cannot be written", path=str(path)) from error
        if sync_s < math.inf:
            _sync_folder(path.parent)

    def add(self, *entries: Entry) -> None:
        """Append entries: all of them or, when the disk is full, none.

        Raises:
            FullError: The disk takes no more; what was written is taken back.
        """
        lines = b"".join(_line(entry) for entry in entries)
        fcntl.flock(self._fd, fcntl.LOCK_EX)  # so that taking back takes nobody else's entry
        try:
            self._append(lines)
        except OSError as error:
            raise FullError(f"{self.path}: {error.strerror}; the entry is not logged", path=str(self.path)) from error
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Flush and close the file; a second call does nothing."""
        if self._fd >= 0:
            if self._sync_s < math.inf:
                with suppress(OSError):  # a device that cannot be flushed
                    os.fdatasync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, lines: bytes) -> None:
        before = os.fstat(self._fd).st_size
        if before and os.pread(self._fd, 1, before - 1) != b"\n":
            # Somebody was killed in the middle of a line: it must not become part of ours.
            lines = b"\n" + lines
        try:
            if os.write(self._fd, lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - taken back as any other failure
            if time.monotonic() - self._synced >= self._sync_s:
                os.fdatasync(self._fd)
                self._synced = time.monotonic()
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, before)
            raise


def _sync_folder(folder: Path) -> None:
    """Have a new file's name on the disk, too."""
    held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # folders that cannot be flushed: /dev
            os.fsync(held)
    finally:
        os.close(held)


def _line(entry: Entry) -> bytes:
    if isinstance(entry, Outcome) and not math.isfinite(entry.value):
        raise InvalidError(f"'{entry.metric}' of unit '{entry.unit}' is {entry.value}: log finite values only")
    kind = "exposure" if isinstance(entry, Exposure) else "outcome"
    return msgspec.json.encode({"kind": kind, **msgspec.to_builtins(entry)}) + b"\n"


def read(path: Path) -> Read:
    """Read a log.

    Raises:
        InvalidError: The file is not there, or a line in the middle is no entry; the sentence names it.
    """
    found = Read()
    for number, line in enumerate(_lines(path), 1):
        try:
            entry = _entry(line.rstrip())
        except (msgspec.MsgspecError, ValueError) as error:
            if _torn(line, error):
                found.torn += 1
                continue
            raise InvalidError(f"{path}:{number}: {error}", path=str(path), line=number) from error
        if isinstance(entry, Exposure):
            found.exposures.append(entry)
        elif entry is not None:
            found.outcomes.append(entry)
    return found


def _torn(line: bytes, error: Exception) -> bool:
    """Return whether a line is the beginning of an entry, or the zeros that a power cut leaves; else it is wrong."""
    return "truncated" in str(error) or b"\0" in line or not line.rstrip().endswith(b"}")


def _entry(line: bytes) -> Entry | None:
    if not line.strip():
        return None
    kind = msgspec.json.decode(line, type=dict[str, object]).get("kind")
    if kind in _NOTES:
        return None
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
