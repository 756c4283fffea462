"""Remove what a lab leaves behind: processes by their mark, cgroups, its folder, its state file."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from plumbline.lab.keeper import cgroup

MARK = "PLUMBLINE_LAB"
"""Environment variable that every process of a lab carries, with the lab's id."""


def members(lab: str, *, spare: Iterable[int] = ()) -> list[psutil.Process]:
    """Return all live processes that carry the lab's mark, but for this process and `spare`."""
    spared = {os.getpid(), *spare}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid in spared or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(MARK) == lab:
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process], *, grace_s: float = 1.0) -> None:
    """Ask them to stop, wait, then kill them."""
    alive = list(processes)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.terminate()
            process.resume()
    alive = psutil.wait_procs(alive, timeout=grace_s)[1]
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)


def sweep(lab: str, folder: Path, cgroups: Iterable[Path], files: Iterable[Path], *, spare: Iterable[int] = ()) -> None:
    """Remove everything of the lab; what cannot be removed is left for `leftovers` to report."""
    for _ in range(3):  # a dying process may have started another
        remaining = members(lab, spare=spare)
        if not remaining:
            break
        end(remaining)
    for group in cgroups:
        with contextlib.suppress(cgroup.CgroupError):
            cgroup.remove(group)
    deadline = time.monotonic() + 2.0
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
    for path in files:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
