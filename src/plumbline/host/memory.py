"""Evidence of memory limits and out-of-memory kills: a process's control group, and the host."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.host import cgroups, kernel_log
from plumbline.host.kernel_log import OomKill

_SLASH = Path("/")
_WATCH_S = 1.0
_MOST_KILLS = 50


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """What holds a process's memory: the control group with the smallest limit, and the host around it."""

    subject: str = measured("", "Process that was looked at, or the machine", secrecy="internal")
    group: str = measured("", "Control group that binds; empty without a limit", secrecy="internal")
    cgroup_version: int = measured("1", "1 or 2; 0 without a memory controller")
    limit_bytes: int | None = measured("By", "Hard limit of that group; None without one")
    usage_bytes: int | None = measured("By", "Charged to that group, page cache included")
    working_set_bytes: int | None = measured("By", "Usage without inactive page cache")
    peak_bytes: int | None = measured("By", "Highest usage since the group was made; None where the kernel keeps none")
    kills: int = measured("{kill}", "Processes of that group ended by an out-of-memory killer since it was made")
    limit_hits: int = measured("{hit}", "How often usage ran against the group's limit")
    swap_bytes: int | None = measured("By", "Swap in use by the group")
    process_age_s: float | None = measured("s", "Age of the process")
    resident_bytes: int | None = measured("By", "Resident memory of the process")
    host_total_bytes: int = measured("By", "Memory of the machine")
    host_available_bytes: int = measured("By", "Memory that the machine can give without swapping")
    host_swap_total_bytes: int = measured("By", "Swap of the machine")
    host_swap_free_bytes: int = measured("By", "Free swap of the machine")
    sources: ClassVar[tuple[Source, ...]]

    @property
    def share(self) -> float:
        """Working set over limit, 0 and up; 0 without a limit."""
        return (self.working_set_bytes or 0) / self.limit_bytes if self.limit_bytes else 0.0

    @property
    def host_share(self) -> float:
        """Available over all memory of the machine, 0 to 1."""
        return self.host_available_bytes / max(1, self.host_total_bytes)


@dataclass(frozen=True, slots=True)
class OomKills:
    """Out-of-memory kills on this machine: from the kernel's log, or counted over a short watch."""

    log_read: bool = measured("1", "The kernel's log could be read")
    watched_s: float = measured("s", "How long the host's counter was watched; 0 when the log answered")
    kills_watched: int = measured("{kill}", "Kills on the whole machine while it was watched")
    recent: tuple[OomKill, ...] = measured("", "Kills in the kernel's log, newest first, at most 50")
    sources: ClassVar[tuple[Source, ...]]


def read_limit(pid: int | None, root: Path = _SLASH) -> MemoryLimit:
    """Read what limits the memory of a process, or of the caller's own surroundings (a container, a login).

    Args:
        pid: The process; None for the machine as this program is allowed to see it.
        root: Folder that stands for `/`; tests pass a tree of their own.

    Raises:
        UnavailableError: This is not Linux, the process has ended, or its files may not be read.
    """
    _only_linux(root)
    try:
        host = _meminfo(root)
        found = cgroups.groups_of("self" if pid is None else pid, root)
        process = _Process("this machine", None, None) if pid is None else _process(pid, root)
    except (FileNotFoundError, ProcessLookupError):
        hint = "if it restarts over and over, name its control group in the target (cgroup = …)"
        raise UnavailableError("unreachable", f"process {pid} has ended; {hint}") from None
    except PermissionError as error:
        hint = "run as its user or as root"
        raise UnavailableError("permission", f"{error.filename} may not be read; {hint}") from None
    return _limit(cgroups.tightest(found), process, host)


def read_group(path: str, root: Path = _SLASH) -> MemoryLimit:
    """Read what limits a control group that is known by name, whatever runs in it at the moment.

    Args:
        path: The group's path as `/proc/PID/cgroup` names it, or its folder under the mount point.
        root: Folder that stands for `/`.

    Raises:
        UnavailableError: This is not Linux, or there is no such group.
    """
    _only_linux(root)
    found = cgroups.groups_at(path, root)
    if not found:
        raise UnavailableError("unreachable", f"there is no memory control group {path} on this machine")
    ages = []
    for pid in cgroups.members(path, root):
        try:
            ages.append(_process(pid, root))
        except (FileNotFoundError, ProcessLookupError):  # it ended between two reads
            continue
    process = max(ages, key=lambda one: one.age_s or 0, default=_Process("control group", None, None))
    return _limit(cgroups.tightest(found), process, _meminfo(root))


def read_kills(
    root: Path = _SLASH,
    log: Callable[[], Iterable[str]] = kernel_log.records,
    pause: Callable[[float], None] = time.sleep,
) -> OomKills:
    """Read recent out-of-memory kills from the kernel's log; where it is closed, watch the host's counter for 1 s.

    Raises:
        UnavailableError: This is not Linux, or the kernel does not count its kills (before 4.13).
    """
    _only_linux(root)
    uptime_s = _uptime(root)
    try:
        recent = kernel_log.kills(log(), uptime_s)
    except OSError:
        before = _host_kills(root)
        pause(_WATCH_S)
        return OomKills(log_read=False, watched_s=_WATCH_S, kills_watched=_host_kills(root) - before, recent=())
    return OomKills(log_read=True, watched_s=0.0, kills_watched=0, recent=recent[:_MOST_KILLS])


@dataclass(frozen=True, slots=True)
class _Process:
    name: str
    age_s: float | None
    resident: int | None


def _limit(group: cgroups.MemoryGroup | None, process: _Process, host: dict[str, int]) -> MemoryLimit:
    total = host.get("MemTotal", 0)
    if group is not None and group.limit is not None and group.limit >= total > 0:
        group = None  # the host runs out first: the limit limits nothing
    return MemoryLimit(
        subject=process.name,
        group=group.path if group else "",
        cgroup_version=group.version if group else 0,
        limit_bytes=group.limit if group else None,
        usage_bytes=group.usage if group else None,
        working_set_bytes=group.working_set if group else None,
        peak_bytes=group.peak if group else None,
        kills=group.kills if group else 0,
        limit_hits=group.limit_hits if group else 0,
        swap_bytes=group.swap if group else None,
        process_age_s=process.age_s,
        resident_bytes=process.resident,
        host_total_bytes=total,
        host_available_bytes=host.get("MemAvailable", 0),
        host_swap_total_bytes=host.get("SwapTotal", 0),
        host_swap_free_bytes=host.get("SwapFree", 0),
    )


def _process(pid: int, root: Path) -> _Process:
    folder = root / "proc" / str(pid)
    head, _, tail = (folder / "stat").read_text().rpartition(")")
    started_s = int(tail.split()[19]) / os.sysconf("SC_CLK_TCK")
    resident = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return _Process(f"{head.partition('(')[2]} (process {pid})", max(0.0, _uptime(root) - started_s), resident)


def _meminfo(root: Path) -> dict[str, int]:
    lines = (line.split() for line in (root / "proc/meminfo").read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if len(line) > 1}


def _uptime(root: Path) -> float:
    return float((root / "proc/uptime").read_text().split()[0])


def _host_kills(root: Path) -> int:
    for line in (root / "proc/vmstat").read_text().splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    raise UnavailableError(
        "unsupported_platform", "this kernel does not count out-of-memory kills: that came with 4.13"
    )


def _only_linux(root: Path) -> None:
    if root == _SLASH and sys.platform != "linux":
        raise UnavailableError("unsupported_platform", "memory limits and kills are read from Linux's /proc and /sys")


def _of_pid(endpoint: Endpoint) -> MemoryLimit:
    return read_limit(endpoint.pid)


def _of_group(endpoint: Endpoint) -> MemoryLimit:
    return read_group(endpoint.cgroup or "")


def _of_machine(endpoint: Endpoint) -> MemoryLimit:
    if endpoint.pid is not None or endpoint.cgroup is not None:
        # A process that is gone must not be judged by the healthy machine around it.
        raise UnavailableError("unreachable", f"the process of target {endpoint.name} is gone")
    return read_limit(None)


MemoryLimit.sources = (
    Source(
        needs=frozenset({"cgroup"}),
        reads="memory.* of control group {cgroup}, /proc/meminfo",
        read=_of_group,
    ),
    Source(
        needs=frozenset({"pid"}),
        reads="/proc/{pid}/cgroup, stat and statm, memory.* of its control group, /proc/meminfo",
        read=_of_pid,
    ),
    Source(
        needs=frozenset(),
        reads="/proc/self/cgroup, memory.* of that control group, /proc/meminfo",
        read=_of_machine,
    ),
)
OomKills.sources = (
    Source(
        needs=frozenset(),
        reads="/dev/kmsg; where it is closed, /proc/vmstat oom_kill over 1 s",
        read=lambda _endpoint: read_kills(),
        window_s=_WATCH_S,
    ),
)
