"""Evidence of processor time: what a service's control group allows it, what its threads want, how busy the host is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.host import hierarchies, threads
from plumbline.host.hierarchies import Place
from plumbline.host.quotas import binding, quotas

WINDOW_S = 1.0
"""Ten periods of the kernel's default length."""
_LOOKS = 5
"""How often in the window the runnable threads are counted: a burst lasts milliseconds, so this is a lower bound."""
_SLASH = Path("/")


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """What keeps a process from the processor: a quota of its control group, other work on the host, or nothing."""

    subject: str = measured("", "Process that was looked at, or its control group", secrecy="internal")
    window_s: float = measured("s", "How long it was watched")
    group: str = measured("", "Control group whose quota binds; empty without a quota", secrecy="internal")
    cgroup_version: int = measured("1", "1 or 2; 0 without a quota")
    quota_cores: float | None = measured("{core}", "Processor seconds per second that it allows; None without a quota")
    period_s: float | None = measured("s", "How often the quota is dealt out")
    periods: int = measured("{period}", "Periods in the window in which the group wanted to run")
    throttled: int = measured("{period}", "Those of them in which the quota was used up before the end")
    throttled_s: float = measured("s", "How long threads were held back in the window, added up over processors")
    used_cores: float | None = measured("{core}", "What the group, or the process, used on average in the window")
    threads: int = measured("{thread}", "Threads of the group, or of the process")
    wanting: int = measured("{thread}", "Most of them that wanted to run at one moment, of five looks")
    busiest_core: float = measured("1", "Share of one core that the busiest thread used")
    waiting_cores: float = measured("{core}", "Threads that were ready and had no processor, on average")
    cpus: int = measured("{core}", "Processors of the machine that this process may use")
    host_busy: float = measured("1", "Share of the host's processor time in use, by anybody")
    host_steal: float = measured("1", "Share that the hypervisor gave to other machines")
    host_pressure: float | None = measured(
        "1", "Share of the last 10 s in which some thread of the host waited (PSI); None where the kernel has none"
    )
    sources: ClassVar[tuple[Source, ...]]

    @property
    def throttled_share(self) -> float:
        """Throttled periods over all in which the group wanted to run, 0 to 1."""
        return self.throttled / self.periods if self.periods else 0.0


def read(
    pid: int | str | None = None,
    group: str | None = None,
    root: Path = _SLASH,
    pause: Callable[[float], None] = time.sleep,
) -> ProcessorTime:
    """Watch a process, or a control group that is known by name, for a second.

    Args:
        pid: The process; "self" for the surroundings of this program (a container).
        group: Else a control group: its path (`/system.slice/gateway.service`) or its folder.
        root: Folder that stands for `/`; tests pass a tree of their own.
        pause: Waits so many seconds.

    Raises:
        UnavailableError: This is not Linux, the process has ended, or there is no such group.
    """
    if root == _SLASH and sys.platform != "linux":
        raise UnavailableError("unsupported_platform", "quotas of processor time are read from Linux's control groups")
    try:
        place = _place(pid, group, root)
        subject = _subject(pid, root)
        return _watch(place, subject, pid, root, pause)
    except (FileNotFoundError, ProcessLookupError):
        hint = "if it restarts over and over, name its control group in the target (cgroup = …)"
        raise UnavailableError("unreachable", f"process {pid} has ended; {hint}") from None
    except PermissionError as error:
        raise UnavailableError("permission", f"{error.filename} may not be read; run as its user or as root") from None


def _place(pid: int | str | None, group: str | None, root: Path) -> Place | None:
    if group is None:
        return hierarchies.of_process("self" if pid is None else pid, "cpu", root)
    place = next(hierarchies.by_name(group, "cpu", root), None)
    if place is None:
        raise UnavailableError("unreachable", f"there is no cpu control group {group} on this machine")
    return place


def _subject(pid: int | str | None, root: Path) -> str:
    if pid is None:
        return "control group"
    if pid == "self":
        return "this machine"
    return f"{(root / 'proc' / str(pid) / 'comm').read_text().strip()} (process {pid})"


def _watch(
    place: Place | None, subject: str, pid: int | str | None, root: Path, pause: Callable[[float], None]
) -> ProcessorTime:
    began = time.monotonic()
    limits, host = quotas(place) if place else [], _host(root)
    everybody = _members(place if limits else None, pid)
    first = threads.of_processes(everybody, root)
    wanting = _wanting(first)
    for _ in range(_LOOKS):
        pause(WINDOW_S / _LOOKS)
        last = threads.of_processes(everybody, root)
        wanting = max(wanting, _wanting(last))
    window_s = time.monotonic() - began if root == _SLASH else WINDOW_S
    bound = binding(limits, quotas(place)) if place else None
    use, shares = threads.use(first, last, window_s), _shares(host, _host(root))
    used = use.all
    if bound and bound[0].used_s is not None and bound[1].used_s is not None:
        used = (bound[1].used_s - bound[0].used_s) / window_s
    return ProcessorTime(
        subject=subject,
        window_s=window_s,
        group=bound[1].place.path if bound else "",
        cgroup_version=bound[1].place.version if bound else 0,
        quota_cores=bound[1].cores if bound else None,
        period_s=bound[1].period_s if bound else None,
        periods=bound[1].periods - bound[0].periods if bound else 0,
        throttled=bound[1].throttled - bound[0].throttled if bound else 0,
        throttled_s=bound[1].throttled_s - bound[0].throttled_s if bound else 0.0,
        used_cores=used if last else None,
        threads=len(last),
        wanting=wanting,
        busiest_core=use.busiest,
        waiting_cores=use.waiting,
        cpus=len(os.sched_getaffinity(0)) if root == _SLASH else 1,
        host_busy=shares[0],
        host_steal=shares[1],
        host_pressure=_pressure(root),
    )


def _members(place: Place | None, pid: int | str | None) -> list[int]:
    """Return whose threads count: those of a group under a quota; without one, those of the process."""
    alone = [pid] if isinstance(pid, int) else []
    try:
        return hierarchies.members(place) if place is not None else alone
    except OSError:  # not ours to list
        return alone


def _wanting(found: dict[tuple[int, int], threads.Thread]) -> int:
    return sum(thread.runnable for thread in found.values())


def _host(root: Path) -> list[int]:
    """Return the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (in ticks)."""
    return [int(word) for word in (root / "proc/stat").read_text().split("\n", 1)[0].split()[1:9]]


def _shares(before: list[int], after: list[int]) -> tuple[float, float]:
    """Return the shares of busy and of stolen time between two moments."""
    spent = [max(0, new - old) for old, new in zip(before, after, strict=True)]
    total = max(1, sum(spent))
    return (sum(spent) - spent[3] - spent[4]) / total, spent[7] / total


def _pressure(root: Path) -> float | None:
    try:
        words = (root / "proc/pressure/cpu").read_text().split("\n", 1)[0].split()
    except OSError:  # before 4.20, or switched off (psi=0)
        return None
    return float(dict(word.partition("=")[::2] for word in words if "=" in word)["avg10"]) / 100


def _of_machine(endpoint: Endpoint) -> ProcessorTime:
    if endpoint.pid is not None or endpoint.cgroup is not None:
        raise UnavailableError("unreachable", f"the process of target {endpoint.name} is gone")
    return read("self")


ProcessorTime.sources = (
    Source(
        frozenset({"pid"}),
        "/proc/{pid}/cgroup, cpu.* of its control groups, schedstat of their threads, /proc/stat, /proc/pressure/cpu",
        lambda endpoint: read(endpoint.pid),
        WINDOW_S,
    ),
    Source(
        frozenset({"cgroup"}),
        "cpu.* of control group {cgroup}, schedstat of its threads, /proc/stat, /proc/pressure/cpu",
        lambda endpoint: read(group=endpoint.cgroup),
        WINDOW_S,
    ),
    Source(frozenset(), "cpu.* of /proc/self/cgroup, /proc/stat, /proc/pressure/cpu", _of_machine, WINDOW_S),
)
