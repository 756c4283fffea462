"""The processes of one server and the connections of each, from /proc: works for any server, in any language."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plumbline.streaming.probes.sockets import ESTABLISHED, LISTEN, PROC, inodes, resident_bytes, rows


@dataclass(frozen=True, slots=True)
class Serving:
    """One process that serves clients.

    Args:
        pid: Process id.
        connections: Connections that came in and are established.
        resident_bytes: Its resident memory.
    """

    pid: int
    connections: int
    resident_bytes: int


def members(pid: int, proc: Path = PROC) -> list[int]:
    """Return this process, all its descendants, and, if it leads a process group, the group.

    Raises:
        FileNotFoundError: No such process.
    """
    if not (proc / str(pid)).exists():
        raise FileNotFoundError(pid)
    parents, groups = {}, {}
    for one, parent, group in _processes(proc):
        parents[one], groups[one] = parent, group
    found = {pid} | {one for one, group in groups.items() if group == pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def serving(pid: int, proc: Path = PROC) -> list[Serving]:
    """Return the server's processes that accept or hold connections on the ports it listens on.

    A master that listens but holds none while others do (nginx, gunicorn, a supervisor) is left out.

    Raises:
        FileNotFoundError: No such process.
        PermissionError: It belongs to another user.
    """
    sockets = {one: inodes(one, proc) for one in members(pid, proc) if one == pid or _readable(one, proc)}
    table = [row for name in ("tcp", "tcp6") for row in rows(_text(proc / str(pid) / "net" / name))]
    owned = set().union(*sockets.values())
    ports = {row.port for row in table if row.state == LISTEN and row.inode in owned}
    listeners = {row.inode for row in table if row.state == LISTEN and row.inode in owned}
    here = {row.inode for row in table if row.state == ESTABLISHED and (not ports or row.port in ports)}
    found = []
    for one, mine in sockets.items():
        count = len(mine & here)
        if count or mine & listeners:
            found.append(Serving(one, count, resident_bytes(one, proc)))
    parents = _with_children(pid, proc)
    return [item for item in found if item.connections or item.pid not in parents or len(found) == 1]


def _with_children(pid: int, proc: Path) -> set[int]:
    return {parent for one, parent, _ in _processes(proc) if one != pid}


def _processes(proc: Path) -> Iterator[tuple[int, int, int]]:
    """Read (pid, parent, process group) of all processes."""
    for entry in os.scandir(proc):
        if entry.name.isdecimal():
            try:
                text = (proc / entry.name / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue
            fields = text.rpartition(")")[2].split()  # the name before may hold spaces and brackets
            yield int(entry.name), int(fields[1]), int(fields[2])


def _readable(pid: int, proc: Path) -> bool:
    try:
        inodes(pid, proc)
    except (OSError, ProcessLookupError):
        return False
    return True


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""  # no tcp6 without IPv6
