"""The kernel's view of one process's TCP sockets, from /proc: works for any server, in any language."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ESTABLISHED, LISTEN = "01", "0A"


@dataclass(frozen=True, slots=True)
class Socket:
    """One row of /proc/net/tcp.

    Args:
        local: Own address as the kernel prints it (hexadecimal, `ADDRESS:PORT`).
        remote: The peer's.
        state: `01` established, `0A` listening, as in the kernel's tcp_states.h.
        send_queue: Bytes the peer's kernel has not acknowledged yet (Send-Q of `ss`).
        inode: The socket's number, as in `/proc/PID/fd`.
    """

    local: str
    remote: str
    state: str
    send_queue: int
    inode: int

    @property
    def port(self) -> str:
        """The local port, hexadecimal."""
        return self.local.rpartition(":")[2]


def rows(text: str) -> Iterator[Socket]:
    """Read the rows of a /proc/net/tcp or tcp6; what is not a row is skipped."""
    for line in text.splitlines()[1:]:
        word = line.split()
        if len(word) > 9 and ":" in word[4]:
            yield Socket(word[1], word[2], word[3], int(word[4].partition(":")[0], 16), int(word[9]))


def inodes(pid: int, proc: Path = PROC) -> set[int]:
    """Return the inode numbers of the process's sockets.

    Raises:
        FileNotFoundError: No such process.
        PermissionError: It belongs to another user.
    """
    found = set()
    for entry in os.scandir(proc / str(pid) / "fd"):
        try:
            target = os.readlink(entry.path)  # noqa: PTH115 - 15,000 Path objects cost more than the links
        except FileNotFoundError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            found.add(int(target[8:-1]))
    return found


def connections(pid: int, proc: Path = PROC) -> list[Socket]:
    """Return the process's established connections: those that came in, if it listens anywhere, else all."""
    mine = inodes(pid, proc)
    found: list[Socket] = []
    for table in ("tcp", "tcp6"):
        path = proc / str(pid) / "net" / table
        if path.exists():  # no tcp6 without IPv6
            found += [row for row in rows(path.read_text()) if row.inode in mine]
    ports = {row.port for row in found if row.state == LISTEN}
    return [row for row in found if row.state == ESTABLISHED and (not ports or row.port in ports)]


def resident_bytes(pid: int, proc: Path = PROC) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int((proc / str(pid) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
