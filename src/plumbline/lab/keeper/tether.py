"""What happens in a child between fork and exec: it is tied to the keeper's life and put under its limits."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _privileged() -> bool:
    """Tell whether this is the machine's root, and not that of a user namespace, who cannot raise limits."""
    try:
        first = Path("/proc/self/uid_map").read_text(encoding="ascii").split()[:3]
    except OSError:
        return os.geteuid() == 0
    return os.geteuid() == 0 and first[1:2] == ["0"] and int(first[2]) == _ALL_IDS


_ALL_IDS = 2**32 - 1
_PRIVILEGED = _privileged()


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it (Linux; elsewhere nothing happens)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def tether(*, nofile: tuple[int, int] | None = None, cgroups: Sequence[str] = ()) -> Callable[[], None]:
    """Return the function for `Popen(preexec_fn=…)`: die with the parent, take the limits, and stop on nothing else.

    Args:
        nofile: Limits of open files, (soft, hard); -1 is as many as this process may give.
        cgroups: Folders of the cgroups to join.
    """
    parent = os.getpid()

    def bind() -> None:  # pragma: no cover - runs between fork and exec, where nothing is measured
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)  # the parent died between fork and prctl
        for cgroup in cgroups:
            descriptor = os.open(f"{cgroup}/cgroup.procs", os.O_WRONLY)
            os.write(descriptor, str(os.getpid()).encode())
            os.close(descriptor)
        if nofile is not None:
            ours = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            hard = _within(nofile[1], ours)
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(_within(nofile[0], hard), hard), hard))

    return bind


def _within(limit: int, ours: int) -> int:
    """Return the limit as far as we may give it: root may give more than it has."""
    if limit < 0:
        return ours
    return limit if _PRIVILEGED or ours == resource.RLIM_INFINITY else min(limit, ours)
