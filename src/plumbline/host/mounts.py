"""File systems that a process can write to: their mounts, and how much room is left on each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NO_STORAGE = frozenset(
    {"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
     "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "selinuxfs",
     "squashfs", "sysfs", "tracefs", "iso9660", "erofs"}
)  # fmt: skip
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "glusterfs", "lustre"})
"""A server that is gone lets statvfs() wait for ever, so these are not asked."""
_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system, as a process sees it.

    Args:
        point: Where it is mounted, in the process's own tree.
        kind: Its type (`ext4`, `tmpfs` …).
        path: Where this program reaches it: through `/proc/PID/root` of the process.
        device: `st_dev` of its root.
    """

    point: str
    kind: str
    path: Path
    device: int


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on a file system; sizes in bytes.

    Args:
        size: Of the file system.
        free: Free, with what is reserved for root.
        available: Free for everybody.
        inodes: How many files it can hold; 0 where it makes them as needed (btrfs, some network file systems).
        inodes_free: How many it can still make.
    """

    size: int
    free: int
    available: int
    inodes: int
    inodes_free: int


def mounts(pid: int | str, root: Path = Path("/")) -> list[Mount]:
    """Return the local file systems that a process may write to, each once.

    Args:
        pid: Process id, or "self".
        root: Folder that stands for `/`; tests pass a tree of their own.

    Raises:
        OSError: The process has ended, or its files may not be read.
    """
    top = root / "proc" / str(pid) / "root"
    text = (root / "proc" / str(pid) / "mountinfo").read_text()
    found: dict[int, Mount] = {}
    for point, kind in _writable(text):
        path = top / point.lstrip("/")
        try:
            device = path.stat().st_dev
        except OSError:  # below a folder that another mount hides, or not ours to see
            continue
        found.setdefault(device, Mount(point, kind, path, device))
    return list(found.values())


def room(mount: Mount) -> Room:
    """Ask a file system how much is left.

    Raises:
        OSError: It is gone.
    """
    told = os.statvfs(mount.path)
    unit = told.f_frsize or told.f_bsize
    return Room(told.f_blocks * unit, told.f_bfree * unit, told.f_bavail * unit, told.f_files, told.f_ffree)


def _writable(text: str) -> Iterator[tuple[str, str]]:
    """Yield mount point and type of each mount that can be written to and keeps something."""
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        words, (kind, _, rest) = left.split(), [*right.split(" "), "", ""][:3]
        if kind in _NO_STORAGE or kind in _REMOTE or kind.startswith("fuse"):
            continue
        if "ro" in words[5].split(",") or "ro" in rest.split(","):
            continue
        point = words[4]
        for escape, letter in _ESCAPES:
            point = point.replace(escape, letter)
        yield point, kind
