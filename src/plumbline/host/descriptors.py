"""File descriptors of one process: how many it holds, how many it may hold, and what they are."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, looking_into, measured, pid_of

PROC = Path("/proc")
CLOSE_WAIT = "08"
"""State of a socket whose peer has hung up while this side never called close(), in /proc/net/tcp."""


@dataclass(frozen=True, slots=True)
class FileDescriptors:
    """Descriptors of one process against its own limit and against the machine's."""

    process: str = measured("", "name of the process", secrecy="internal")
    pid: int = measured("", "process id", secrecy="internal")
    open: int = measured("{descriptor}", "descriptors that the process holds now")
    soft_limit: int | None = measured(
        "{descriptor}",
        "RLIMIT_NOFILE, soft: at this number open(), accept() and socket() fail with EMFILE; None: not readable",
    )
    hard_limit: int | None = measured(
        "{descriptor}", "RLIMIT_NOFILE, hard: how far the process may raise its soft limit itself; None: not readable"
    )
    sockets: int | None = measured("{descriptor}", "those that are sockets; None: not readable", default=None)
    files: int | None = measured("{descriptor}", "those that are regular files or folders", default=None)
    others: int | None = measured("{descriptor}", "pipes, eventfds, epoll instances, devices", default=None)
    close_wait: int | None = measured(
        "{socket}", "TCP sockets whose peer hung up and that the process never closed", default=None
    )
    host_open: int | None = measured(
        "{descriptor}", "open files on the machine, first field of fs.file-nr", default=None
    )
    host_limit: int | None = measured("{descriptor}", "fs.file-max: beyond it every process gets ENFILE", default=None)
    sources: ClassVar[tuple[Source, ...]] = ()


def read(endpoint: Endpoint) -> FileDescriptors:
    """Count the descriptors of `endpoint.pid`.

    Raises:
        UnavailableError: There is no such process, or it belongs to another user.
    """
    pid = pid_of(endpoint)
    with looking_into(pid, "run as that user or as root to read its descriptors"):
        return _from_proc(pid, PROC) if sys.platform == "linux" else _from_psutil(pid)


def _from_proc(pid: int, proc: Path) -> FileDescriptors:
    home = proc / str(pid)
    kinds = _kinds(home)
    soft, hard = limits((home / "limits").read_text())
    allocated, maximum = _of_the_machine(proc)
    return FileDescriptors(
        process=(home / "comm").read_text().strip(),
        pid=pid,
        open=count(home / "fd"),
        soft_limit=soft,
        hard_limit=hard,
        host_open=allocated,
        host_limit=maximum,
        **kinds,
    )


def count(folder: Path) -> int:
    """Return the number of entries of a `/proc/PID/fd`: its size (Linux 6.2 and later), or by listing."""
    return folder.stat().st_size or sum(1 for _ in folder.iterdir())


def limits(text: str) -> tuple[int | None, int | None]:
    """Read the soft and the hard limit of open files from the text of `/proc/PID/limits`; `unlimited` is None."""
    for line in text.splitlines():
        if line.startswith("Max open files"):
            soft, hard = line.split()[3:5]
            return _number(soft), _number(hard)
    return None, None


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() else None


def _of_the_machine(proc: Path) -> tuple[int | None, int | None]:
    try:
        allocated, _, maximum = (proc / "sys/fs/file-nr").read_text().split()
    except OSError:  # masked in many containers
        return None, None
    return int(allocated), int(maximum)


def _kinds(home: Path) -> dict[str, int]:
    """Sort the descriptors by kind; they come and go meanwhile, so the kinds need not add up to `open`.

    The kernel tells anyone how many there are, and only the owner or root what they are: without that, no kinds.
    """
    try:
        entries = list(os.scandir(home / "fd"))
    except PermissionError:
        return {}
    kinds = dict.fromkeys(("sockets", "files", "others", "close_wait"), 0)
    hung_up = _inodes_in_close_wait(home)
    for entry in entries:
        try:
            status = entry.stat()
        except OSError:  # closed since the listing
            continue
        if stat.S_ISSOCK(status.st_mode):
            kinds["sockets"] += 1
            kinds["close_wait"] += status.st_ino in hung_up
        elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            kinds["files"] += 1
        else:
            kinds["others"] += 1
    return kinds


def _inodes_in_close_wait(home: Path) -> set[int]:
    """Return the inodes of sockets in CLOSE_WAIT in the process's own network namespace."""
    inodes: set[int] = set()
    for table in ("tcp", "tcp6"):
        try:
            with (home / "net" / table).open() as rows:
                next(rows, None)
                inodes.update(int(row[9]) for row in map(str.split, rows) if row[3] == CLOSE_WAIT)
        except OSError:  # no IPv6, or a kernel without /proc/net
            continue
    return inodes


def _from_psutil(pid: int) -> FileDescriptors:
    import psutil

    try:
        process = psutil.Process(pid)
        soft, hard = _own_limits() if pid == os.getpid() else (None, None)
        return FileDescriptors(
            process=process.name(), pid=pid, open=process.num_fds(), soft_limit=soft, hard_limit=hard
        )
    except psutil.NoSuchProcess:
        raise ProcessLookupError(pid) from None
    except psutil.AccessDenied:
        raise PermissionError(pid) from None


def _own_limits() -> tuple[int | None, int | None]:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return tuple(None if limit == resource.RLIM_INFINITY else limit for limit in (soft, hard))  # type: ignore[return-value] # two in, two out


FileDescriptors.sources = (
    Source(frozenset({"pid"}), "/proc/{pid}/fd, /proc/{pid}/limits, /proc/{pid}/net/tcp, /proc/sys/fs/file-nr", read),
)
