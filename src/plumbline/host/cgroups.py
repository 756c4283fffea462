"""Memory control groups of a process, versions 1 and 2: the limits that the kernel holds it to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_V1_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as the largest page-aligned number; no machine has an exbibyte of memory."""


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """What one memory control group says; sizes in bytes, counts since the group was made.

    Args:
        path: Its path as the kernel names it (`/system.slice/gateway.service`).
        version: 1 or 2.
        limit: Hard limit, None without one.
        usage: All that is charged to it, page cache included.
        inactive_file: Page cache that the kernel drops first.
        peak: Highest usage ever, None where the kernel keeps none (version 2 before Linux 5.19).
        kills: Processes of this group that an out-of-memory killer ended, the host's included.
        limit_hits: How often usage ran against the limit.
        swap: Swap in use, None where it is not accounted.
    """

    path: str
    version: int
    limit: int | None
    usage: int
    inactive_file: int
    peak: int | None
    kills: int
    limit_hits: int
    swap: int | None

    @property
    def working_set(self) -> int:
        """Usage without the page cache that would be dropped first: what Kubernetes compares with the limit."""
        return max(0, self.usage - self.inactive_file)


def groups_of(pid: int | str, root: Path = Path("/")) -> list[MemoryGroup]:
    """Return the memory groups of a process, innermost first; empty when the kernel has no memory controller here.

    Args:
        pid: Process id, or "self".
        root: Folder that stands for `/`; tests pass a tree of their own.

    Raises:
        OSError: The process has ended, or its files may not be read.
    """
    version, path = _membership((root / "proc" / str(pid) / "cgroup").read_text())
    mount = _mount(version, root)
    return [] if mount is None else _chain(version, mount, _below(path, mount.shown), root)


def groups_at(name: str, root: Path = Path("/")) -> list[MemoryGroup]:
    """Return a group that is known by name and those around it, innermost first; empty when there is no such group.

    Args:
        name: Its path (`/system.slice/gateway.service`), or its folder (`/sys/fs/cgroup/system.slice/…`).
        root: Folder that stands for `/`.
    """
    for version, mount, below in _places(name, root):
        if found := _chain(version, mount, below, root):
            return found
    return []


def members(name: str, root: Path = Path("/")) -> list[int]:
    """Return the processes of a group that is known by name, as `groups_at` takes it; empty when there is none."""
    for _, mount, below in _places(name, root):
        text = (mount.folder(root) / below.lstrip("/") / "cgroup.procs").read_text()
        return [int(line) for line in text.split()]
    return []


def _places(name: str, root: Path) -> Iterator[tuple[int, _Mount, str]]:
    """Yield where a group of this name lies: (version, mount, path below the mount)."""
    for version in (1, 2):
        mount = _mount(version, root)
        if mount is None:
            continue
        below = _below(f"/{name.removeprefix(mount.point).strip('/')}", mount.shown)
        if (mount.folder(root) / below.lstrip("/")).is_dir():
            yield version, mount, below


def tightest(groups: list[MemoryGroup]) -> MemoryGroup | None:
    """Return the group that binds: the smallest limit; of equal ones the outermost, which outlives a restart."""
    limited = [group for group in groups if group.limit is not None]
    return min(reversed(limited), key=lambda group: group.limit or 0, default=None)


def _membership(text: str) -> tuple[int, str]:
    """Return (version, path) from `/proc/PID/cgroup`; version 1 wins where the memory controller is mounted there."""
    unified = (2, "/")
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return 1, path
        if not controllers:
            unified = (2, path)
    return unified


@dataclass(frozen=True, slots=True)
class _Mount:
    """Where a hierarchy is mounted, and which part of it: a container sees only its own."""

    point: str
    shown: str

    def folder(self, root: Path) -> Path:
        return root / self.point.lstrip("/")


def _mount(version: int, root: Path) -> _Mount | None:
    """Find the memory controller's mount in `/proc/self/mountinfo`."""
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.partition(" ")
        wanted = (
            kind == "cgroup2" if version == 2 else kind == "cgroup" and "memory" in options.partition(" ")[2].split(",")
        )
        if wanted:
            shown, point = left.split(" ")[3:5]
            return _Mount(point, "/" if shown.startswith("/..") else shown)
    return None


def _chain(version: int, mount: _Mount, below: str, root: Path) -> list[MemoryGroup]:
    """Read a group and those around it, innermost first."""
    read = _read_v1 if version == 1 else _read_v2
    inner = PurePosixPath(below)
    steps = ((step, mount.folder(root) / str(step).lstrip("/")) for step in (inner, *inner.parents))
    found = (read(folder, _named(step, mount.shown)) for step, folder in steps)
    return [group for group in found if group is not None]


def _below(path: str, shown: str) -> str:
    """Return the group's path below the mount point: a container mounts only its own part of the hierarchy."""
    if path.startswith("/.."):  # outside this cgroup namespace: the mount point is all that can be seen
        return "/"
    if shown != "/" and (path == shown or path.startswith(f"{shown}/")):
        return path[len(shown) :] or "/"
    return path if shown == "/" else "/"


def _named(step: PurePosixPath, shown: str) -> str:
    return str(step) if shown == "/" else f"{shown}{step}".rstrip("/")


def _read_v2(folder: Path, path: str) -> MemoryGroup | None:
    usage = _number(folder / "memory.current")
    if usage is None:  # the root group has no such file: it is the host
        return None
    events = _table(folder / "memory.events")
    return MemoryGroup(
        path=path,
        version=2,
        limit=_number(folder / "memory.max"),
        usage=usage,
        inactive_file=_table(folder / "memory.stat").get("inactive_file", 0),
        peak=_number(folder / "memory.peak"),
        kills=events.get("oom_kill", 0),
        limit_hits=events.get("max", 0),
        swap=_number(folder / "memory.swap.current"),
    )


def _read_v1(folder: Path, path: str) -> MemoryGroup | None:
    usage, limit = _number(folder / "memory.usage_in_bytes"), _number(folder / "memory.limit_in_bytes")
    if usage is None:
        return None
    stat = _table(folder / "memory.stat")
    return MemoryGroup(
        path=path,
        version=1,
        limit=None if limit is None or limit >= _V1_UNLIMITED else limit,
        usage=usage,
        inactive_file=stat.get("total_inactive_file", 0),
        peak=_number(folder / "memory.max_usage_in_bytes"),
        kills=_table(folder / "memory.oom_control").get("oom_kill", 0),
        limit_hits=_number(folder / "memory.failcnt") or 0,
        swap=stat.get("total_swap"),
    )


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:  # optional file, or the group vanished between two reads
        return None
    return int(text) if text.isdigit() else None  # "max"


def _table(path: Path) -> dict[str, int]:
    try:
        pairs = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
