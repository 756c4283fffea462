"""Evidence of room on file systems: bytes, inodes, what is reserved for root, and what deleted files still hold."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.host import mounts, openfiles
from plumbline.host.mounts import Mount, Room
from plumbline.host.openfiles import Deleted

LOW = 0.1
"""Below this share of free bytes or inodes the open deleted files of a file system are looked for, which costs time."""
_SLASH = Path("/")
_MOST_FILES = 10


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A deleted file that still takes room, because a process holds it open."""

    process: str = measured("", "Name of the process that holds it", secrecy="internal")
    pid: int = measured("1", "Its process id")
    name: str = measured("", "What the file was called", secrecy="internal")
    bytes: int = measured("By", "Room that it takes")


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One local file system that the process can write to."""

    point: str = measured("", "Where it is mounted", secrecy="internal")
    kind: str = measured("", "Its type: ext4, xfs, tmpfs …")
    in_use: bool = measured("1", "The process has its working folder or an open file there")
    size_bytes: int = measured("By", "Size")
    free_bytes: int = measured("By", "Free, with what is reserved for root")
    available_bytes: int = measured("By", "Free for this process: without the reserve, unless it is root")
    inodes: int = measured("{inode}", "How many files it can hold; 0 where they are made as needed")
    inodes_free: int = measured("{inode}", "How many it can still make")
    held_bytes: int = measured("By", "In deleted files that a process still holds open")
    held: tuple[HeldFile, ...] = measured("", "The largest of these, at most ten")

    @property
    def bytes_left(self) -> float:
        """Share of the size that this process may still fill, 0 to 1."""
        return self.available_bytes / self.size_bytes if self.size_bytes else 1.0

    @property
    def inodes_left(self) -> float:
        """Share of the inodes that are free, 0 to 1."""
        return self.inodes_free / self.inodes if self.inodes else 1.0


@dataclass(frozen=True, slots=True)
class FileSystems:
    """The file systems that a process, or this machine, writes to."""

    subject: str = measured("", "Process that was looked at, or the machine", secrecy="internal")
    root: bool = measured("1", "The process is root, and may use what is reserved for root")
    all_processes: bool = measured("1", "The open files of all processes could be seen")
    systems: tuple[FileSystem, ...] = measured("", "Each file system once")
    sources: ClassVar[tuple[Source, ...]]


def read(pid: int | None = None, root: Path = _SLASH) -> FileSystems:
    """Ask each local file system of a process how much room is left.

    Args:
        pid: The process; None for this machine.
        root: Folder that stands for `/`; tests pass a tree of their own.

    Raises:
        UnavailableError: This is not Linux, the process has ended, or its files may not be read.
    """
    if root == _SLASH and sys.platform != "linux":
        raise UnavailableError("unsupported_platform", "file systems of a process are read from Linux's /proc")
    who = "self" if pid is None else pid
    try:
        found = [(mount, mounts.room(mount)) for mount in mounts.mounts(who, root)]
        using = openfiles.devices_in_use(who, root) if pid is not None else {mount.device for mount, _ in found}
        name = "this machine" if pid is None else f"{(root / 'proc' / str(pid) / 'comm').read_text().strip()} ({pid})"
        is_root = os.geteuid() == 0 if pid is None else _is_root(root / "proc" / str(pid))
    except (FileNotFoundError, ProcessLookupError):
        raise UnavailableError("unreachable", f"there is no process {pid} on this machine") from None
    except PermissionError as error:
        raise UnavailableError(
            "permission", f"{error.filename} may not be read; run as the process's user or as root"
        ) from None
    low = [mount.device for mount, room in found if _low(room)]
    held, complete = openfiles.deleted(low, root) if low else ([], True)
    systems = tuple(
        _system(mount, room, mount.device in using, held, root=is_root) for mount, room in found if room.size
    )
    return FileSystems(subject=name, root=is_root, all_processes=complete, systems=systems)


def _low(room: Room) -> bool:
    return room.available < LOW * room.size or room.inodes_free < LOW * room.inodes


def _is_root(home: Path) -> bool:
    for line in (home / "status").read_text().splitlines():
        if line.startswith("Uid:"):
            return line.split()[4] == "0"  # the id that counts for files
    return False


def _system(mount: Mount, room: Room, in_use: bool, held: list[Deleted], *, root: bool) -> FileSystem:
    mine = [file for file in held if file.device == mount.device]
    return FileSystem(
        point=mount.point,
        kind=mount.kind,
        in_use=in_use,
        size_bytes=room.size,
        free_bytes=room.free,
        available_bytes=room.free if root else room.available,
        inodes=room.inodes,
        inodes_free=room.inodes_free,
        held_bytes=sum(file.bytes for file in mine),
        held=tuple(HeldFile(file.process, file.pid, file.name, file.bytes) for file in mine[:_MOST_FILES]),
    )


def _of_machine(endpoint: Endpoint) -> FileSystems:
    if endpoint.pid is not None:
        raise UnavailableError("unreachable", f"the process of target {endpoint.name} is gone")
    return read()


FileSystems.sources = (
    Source(
        frozenset({"pid"}),
        "statvfs of the mounts in /proc/{pid}/mountinfo, /proc/{pid}/cwd and fd; where room is low, /proc/*/fd",
        lambda endpoint: read(endpoint.pid),
    ),
    Source(frozenset(), "statvfs of the mounts in /proc/self/mountinfo; where room is low, /proc/*/fd", _of_machine),
)
