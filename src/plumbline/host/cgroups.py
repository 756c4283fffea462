"""Memory control groups of a process, versions 1 and 2: the limits that the kernel holds it to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plumbline.host.hierarchies import Place, by_name, number, of_process, table
from plumbline.host.hierarchies import members as inhabitants

_CONTROLLER = "memory"
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
    place = of_process(pid, _CONTROLLER, root)
    return [] if place is None else _chain(place)


def groups_at(name: str, root: Path = Path("/")) -> list[MemoryGroup]:
    """Return a group that is known by name and those around it, innermost first; empty when there is no such group.

    Args:
        name: Its path (`/system.slice/gateway.service`), or its folder (`/sys/fs/cgroup/system.slice/…`).
        root: Folder that stands for `/`.
    """
    for place in by_name(name, _CONTROLLER, root):
        if found := _chain(place):
            return found
    return []


def members(name: str, root: Path = Path("/")) -> list[int]:
    """Return the processes of a group that is known by name, as `groups_at` takes it; empty when there is none."""
    for place in by_name(name, _CONTROLLER, root):
        return inhabitants(place)
    return []


def tightest(groups: list[MemoryGroup]) -> MemoryGroup | None:
    """Return the group that binds: the smallest limit; of equal ones the outermost, which outlives a restart."""
    limited = [group for group in groups if group.limit is not None]
    return min(reversed(limited), key=lambda group: group.limit or 0, default=None)


def _chain(place: Place) -> list[MemoryGroup]:
    """Read a group and those around it, innermost first."""
    found = (_read_v1(one) if one.version == 1 else _read_v2(one) for one in place.chain())
    return [group for group in found if group is not None]


def _read_v2(place: Place) -> MemoryGroup | None:
    folder = place.folder
    usage = number(folder / "memory.current")
    if usage is None:  # the root group has no such file: it is the host
        return None
    events = table(folder / "memory.events")
    return MemoryGroup(
        path=place.path,
        version=2,
        limit=number(folder / "memory.max"),
        usage=usage,
        inactive_file=table(folder / "memory.stat").get("inactive_file", 0),
        peak=number(folder / "memory.peak"),
        kills=events.get("oom_kill", 0),
        limit_hits=events.get("max", 0),
        swap=number(folder / "memory.swap.current"),
    )


def _read_v1(place: Place) -> MemoryGroup | None:
    folder = place.folder
    usage, limit = number(folder / "memory.usage_in_bytes"), number(folder / "memory.limit_in_bytes")
    if usage is None:
        return None
    stat = table(folder / "memory.stat")
    return MemoryGroup(
        path=place.path,
        version=1,
        limit=None if limit is None or limit >= _V1_UNLIMITED else limit,
        usage=usage,
        inactive_file=stat.get("total_inactive_file", 0),
        peak=number(folder / "memory.max_usage_in_bytes"),
        kills=table(folder / "memory.oom_control").get("oom_kill", 0),
        limit_hits=number(folder / "memory.failcnt") or 0,
        swap=stat.get("total_swap"),
    )
