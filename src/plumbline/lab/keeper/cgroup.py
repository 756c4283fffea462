"""A memory cgroup for the gateway of one lab, on cgroup v1 and v2."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PREFIX = "plumbline-"


class CgroupError(OSError):
    """This process may not create a memory cgroup here."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A memory cgroup: its folder and the name of its limit file, which differs between v1 and v2."""

    folder: Path
    limit_file: str

    @property
    def limit(self) -> Path:
        """The file that holds the limit, in bytes."""
        return self.folder / self.limit_file


def create(name: str, limit_bytes: int, *, mount: Path = MOUNT, me: Path = Path("/proc/self/cgroup")) -> Cgroup:
    """Create the cgroup `plumbline-<name>` with the limit.

    Raises:
        CgroupError: No memory controller can be had; the sentence says what would help.
    """
    tried = []
    for parent, limit_file in _parents(mount, me):
        folder = parent / f"{PREFIX}{name}"
        try:
            folder.mkdir()
        except OSError as error:
            tried.append(f"{parent}: {error.strerror}")
            continue
        cgroup = Cgroup(folder, limit_file)
        try:
            cgroup.limit.write_text(str(limit_bytes))
        except OSError as error:
            remove(folder)
            tried.append(f"{folder}: {error.strerror}")
            continue
        return cgroup
    raise CgroupError(
        f"no memory cgroup can be created ({'; '.join(tried) or f'{mount} has no memory controller'}); "
        "run as root, or under 'systemd-run --user --scope -p Delegate=yes'"
    )


@dataclass(frozen=True, slots=True)
class CpuQuota:
    """A cgroup with a quota of processor time.

    Args:
        folder: Its folder.
        file: Where the quota is written.
        period_file: Where version 1 wants the period; None on version 2, whose one file holds both.
    """

    folder: Path
    file: Path
    period_file: Path | None

    def allow(self, cores: float, period_s: float) -> None:
        """Set the quota: `cores` processor seconds per second, dealt out each `period_s`.

        Raises:
            OSError: The kernel refuses.
        """
        period = round(period_s * 1e6)
        quota = max(1000, round(cores * period))  # the kernel's least
        if self.period_file is None:
            self.file.write_text(f"{quota} {period}")
            return
        self.period_file.write_text(str(period))
        self.file.write_text(str(quota))


def create_cpu(
    name: str, *, beside: Path | None = None, mount: Path = MOUNT, me: Path = Path("/proc/self/cgroup")
) -> CpuQuota:
    """Create the cgroup `plumbline-<name>` with a quota of processor time, not set yet.

    Args:
        name: Its name.
        beside: The memory cgroup of the same process: on version 2 a process is in one group only, so it is this one.
        mount: Where cgroups are mounted.
        me: What says in which cgroups this process is.

    Raises:
        CgroupError: No cpu controller can be had.
    """
    tried = []
    for controllers in ("cpu", "cpu,cpuacct"):
        if (mount / controllers / "cpu.cfs_quota_us").exists() or (mount / controllers / "cpu.shares").exists():
            folder = mount / controllers / f"{PREFIX}{name}"
            try:
                folder.mkdir()
            except OSError as error:
                tried.append(f"{folder.parent}: {error.strerror}")
                continue
            return CpuQuota(folder, folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")
    if beside is not None and (beside / "cpu.max").exists():
        return CpuQuota(beside, beside / "cpu.max", None)
    for parent in _v2_parents(mount, me, "cpu"):
        folder = parent / f"{PREFIX}{name}"
        try:
            folder.mkdir()
        except OSError as error:
            tried.append(f"{parent}: {error.strerror}")
            continue
        return CpuQuota(folder, folder / "cpu.max", None)
    raise CgroupError(
        f"no cpu cgroup can be created ({'; '.join(tried) or f'{mount} has no cpu controller'}); "
        "run as root, or under 'systemd-run --user --scope -p Delegate=yes'"
    )


def _parents(mount: Path, me: Path) -> list[tuple[Path, str]]:
    """Return the folders in which a memory cgroup may be created, likeliest first, with the limit file's name."""
    lines = me.read_text(encoding="ascii").splitlines() if me.exists() else []
    v1 = mount / "memory"
    if (v1 / "memory.limit_in_bytes").exists():
        mine = [line.split(":", 2)[2].lstrip("/") for line in lines if "memory" in line.split(":")[1].split(",")]
        return [(v1, "memory.limit_in_bytes"), *((v1 / path, "memory.limit_in_bytes") for path in mine if path)]
    return [(folder, "memory.max") for folder in _v2_parents(mount, me, "memory")]


def _v2_parents(mount: Path, me: Path, controller: str) -> list[Path]:
    lines = me.read_text(encoding="ascii").splitlines() if me.exists() else []
    mine = [line.split("::", 1)[1].lstrip("/") for line in lines if line.startswith("0::")]
    own = mount / mine[0] if mine else mount
    # A v2 group with processes cannot hand out controllers: ours becomes a child of an ancestor that already does.
    above = [mount / part for part in reversed(own.relative_to(mount).parents)]
    return [folder for folder in dict.fromkeys([mount, *above]) if controller in _handed_out(folder)]


def _handed_out(folder: Path) -> list[str]:
    control = folder / "cgroup.subtree_control"
    return control.read_text(encoding="ascii").split() if control.exists() else []


def remove(folder: Path, *, patience_s: float = 3.0) -> None:
    """Kill what is left in the cgroup and remove it; the kernel may need a moment to let go.

    Raises:
        CgroupError: It is still there when the patience is over.
    """
    deadline = time.monotonic() + patience_s
    while folder.exists():
        for pid in _members(folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            folder.rmdir()
        except OSError as error:
            if time.monotonic() > deadline:
                raise CgroupError(f"{folder}: cannot be removed: {error.strerror}") from None
            time.sleep(0.02)


def _members(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text(encoding="ascii").split()]
    except OSError:
        return []
