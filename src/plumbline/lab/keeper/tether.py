"""What happens in a child between fork and exec: it is tied to the keeper's life and put under its limits."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it (Linux; elsewhere nothing happens)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def tether(*, nofile: int | None = None, cgroup: str | None = None) -> Callable[[], None]:
    """Return the function for `Popen(preexec_fn=…)`: die with the parent, take the limits, and stop on nothing else.

    Args:
        nofile: Limit of open files, soft and hard.
        cgroup: Folder of the cgroup to join.
    """
    parent = os.getpid()

    def bind() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)  # the parent died between fork and prctl
        if cgroup is not None:
            descriptor = os.open(f"{cgroup}/cgroup.procs", os.O_WRONLY)
            os.write(descriptor, str(os.getpid()).encode())
            os.close(descriptor)
        if nofile is not None:
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            ceiling = nofile if os.geteuid() == 0 or hard == resource.RLIM_INFINITY else min(nofile, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, ceiling))

    return bind
