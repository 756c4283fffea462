"""Files that processes hold open: what a process uses, and deleted files whose space nobody sees."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MOST = 100_000
"""Descriptors that are looked at on the whole machine; a scan of so many takes about a second."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A file that has no name any more, and lives because a process holds it open.

    Args:
        pid: Who holds it.
        process: The name of that process.
        name: What the file was called.
        bytes: What it takes on its file system.
        device: `st_dev` of that file system.
    """

    pid: int
    process: str
    name: str
    bytes: int
    device: int


def devices_in_use(pid: int | str, root: Path = Path("/")) -> set[int]:
    """Return `st_dev` of the working folder and of the regular files that a process holds open.

    Raises:
        OSError: The process has ended, or its descriptors may not be read.
    """
    home = root / "proc" / str(pid)
    found = {told.st_dev for _, told in _files(home)}
    return found | {(home / "cwd").stat().st_dev}


def deleted(devices: Iterable[int], root: Path = Path("/")) -> tuple[list[Deleted], bool]:
    """Return deleted files that are still open on some file systems, largest first, each once.

    Returns:
        The files, and whether all processes could be looked at.
    """
    wanted, found, complete, looked = set(devices), dict[tuple[int, int], Deleted](), True, 0
    for home in (root / "proc").iterdir():
        if not home.name.isdigit():
            continue
        try:
            for path, told in _files(home):
                looked += 1
                if told.st_nlink == 0 and told.st_dev in wanted:
                    found.setdefault((told.st_dev, told.st_ino), _named(home, path, told))
        except PermissionError:
            complete = False
        except OSError:  # ended
            continue
        if looked >= _MOST:
            complete = False
            break
    return sorted(found.values(), key=lambda one: -one.bytes), complete


def _files(home: Path) -> Iterator[tuple[str, os.stat_result]]:
    for entry in os.scandir(home / "fd"):
        try:
            told = entry.stat()
        except OSError:  # closed since the listing
            continue
        if stat.S_ISREG(told.st_mode):
            yield entry.path, told


def _named(home: Path, path: str, told: os.stat_result) -> Deleted:
    try:
        name = os.readlink(path).removesuffix(" (deleted)")  # noqa: PTH115 - the text, not a path that exists
        process = (home / "comm").read_text().strip()
    except OSError:  # ended meanwhile
        name, process = "", ""
    return Deleted(int(home.name), process, name, told.st_blocks * 512, told.st_dev)
