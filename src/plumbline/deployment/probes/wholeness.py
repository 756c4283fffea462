"""Compares files with what they must be: first what costs nothing, then every byte, as long as there is time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline.deployment.probes.formats import flaw
from plumbline.deployment.probes.sums import Expected

_PIECE = 1 << 20
_TAIL = 4096
"""So many zeros at the end of an altered file are room that a download asked for and never filled."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What came out for one file.

    Args:
        one: The file.
        kind: A kind of `formats.flaw`, `altered` or `missing`; None: nothing was found.
        size: Bytes that are there.
        read: Whether its digest was compared.
        unread: Whether it should have been, and there was no time.
    """

    one: Expected
    kind: str | None
    size: int
    read: bool = False
    unread: bool = False


def compare(
    files: Sequence[Expected], within_s: float, clock: Callable[[], float] = time.monotonic
) -> tuple[Compared, ...]:
    """Compare files.

    Args:
        files: What there must be; those that matter most first.
        within_s: How long digests may be computed; those left then are `unread`.
        clock: Seconds.

    Raises:
        OSError: A file that is there cannot be read.
    """
    until = clock() + within_s
    return tuple(_compared(one, until, clock) for one in files)


def _compared(one: Expected, until: float, clock: Callable[[], float]) -> Compared:
    try:
        size = one.path.stat().st_size
        kind = flaw(one.path, one.name)
    except FileNotFoundError:
        return Compared(one, "missing", 0)
    if kind is None and one.size is not None and size != one.size:
        kind = "truncated" if size < one.size else "altered"
    if kind is not None or one.digest is None:
        return Compared(one, kind, size)
    digest = _digest(one.path, until, clock)
    if digest is None:
        return Compared(one, None, size, unread=True)
    if digest != one.digest:
        kind = "truncated" if _unfilled(one.path, size) else "altered"
    return Compared(one, kind, size, read=True)


def _digest(path: Path, until: float, clock: Callable[[], float]) -> str | None:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if clock() > until:
                return None
            state.update(piece)
    return f"sha256:{state.hexdigest()}"


def _unfilled(path: Path, size: int) -> bool:
    if size < 2 * _TAIL:
        return False
    with path.open("rb") as file:
        file.seek(-_TAIL, 2)
        return not any(file.read())
