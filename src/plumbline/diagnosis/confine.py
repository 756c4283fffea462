"""What a worker may still do: no writing to files, no privileges gained, limited memory, the target's namespace.

Four layers, each of use alone: resource limits, `no_new_privs`, Landlock (Linux 5.13 and newer), and Python's audit
hook, which says in words what the others refuse (and stands in for Landlock elsewhere). Landlock comes last, just
before the diagnostic judges: a process under Landlock may not look into other processes' descriptors, which evidence
is made of.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plumbline.evidence import UnavailableError

MEMORY_BYTES = 1 << 30
"""Address space that one diagnostic may add to what the worker's imports take (our judgement: evidence is small)."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_WRITE_FILE = 1 << 1
_WRITES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # remove and make, since ABI 1
_SINCE = {2: 1 << 13, 3: 1 << 14}  # ABI -> refer, truncate
_KILL = 9

_WRITING = frozenset(
    {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
     "os.utime", "os.setxattr", "os.removexattr", "shutil.rmtree", "shutil.move", "shutil.copyfile"}
)  # fmt: skip
_ACTING = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.kill", "os.killpg",
     "socket.connect", "socket.bind", "socket.sendto", "signal.pthread_kill"}
)  # fmt: skip
_OPEN_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class ForbiddenError(PermissionError):
    """A diagnostic tried to do something: it only judges."""


class _Attributes(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def limit_resources(*, memory_bytes: int = MEMORY_BYTES) -> None:
    """Let no file grow, no core be dumped, and memory stay below a limit; raise none of them again."""
    for which, wanted in (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, _address_space() + memory_bytes),
    ):
        _, hard = resource.getrlimit(which)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(which, (value, value))
        except (OSError, ValueError):  # macOS refuses RLIMIT_AS
            continue


def _address_space() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:  # no Linux, and no kernel that would enforce it
        return 0


def gain_nothing() -> None:
    """Let no later exec gain privileges (`no_new_privs`)."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the parent process ends, however it ends."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, _KILL, 0, 0, 0)


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel offers, 0 for none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def write_nowhere() -> bool:
    """Deny this thread, and what it starts, every change to the file system; connecting stays allowed.

    Returns:
        False if the kernel has no Landlock; the other layers then stand alone.
    """
    abi = landlock_abi()
    if not abi:
        return False
    libc = _libc()
    handled = _WRITES | sum(bit for since, bit in _SINCE.items() if abi >= since)
    attributes = _Attributes(handled)
    rules = libc.syscall(_LANDLOCK_CREATE, ctypes.byref(attributes), ctypes.c_size_t(8), ctypes.c_uint32(0))
    if rules < 0:
        return False
    null = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    try:
        beneath = _Beneath(_WRITE_FILE, null)
        libc.syscall(_LANDLOCK_ADD, rules, 1, ctypes.byref(beneath), ctypes.c_uint32(0))
        gain_nothing()  # Landlock asks for it
        return int(libc.syscall(_LANDLOCK_RESTRICT, rules, ctypes.c_uint32(0))) == 0
    finally:
        os.close(null)
        os.close(rules)


def enter_network_of(pid: int) -> None:
    """Enter the user and network namespace of a process; the caller cannot come back, so it ends after its work.

    Raises:
        UnavailableError: There is no such process, we may not, or this is no Linux.
    """
    if sys.platform != "linux":
        raise UnavailableError("unsupported_platform", "network namespaces exist on Linux only")
    try:
        handles = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), name, kind) for name, kind in _differing(pid)]
    except FileNotFoundError:
        raise UnavailableError("unreachable", f"there is no process {pid}, whose network should be entered") from None
    except PermissionError:
        raise UnavailableError("permission", f"the network of process {pid} belongs to another user") from None
    for handle, name, kind in handles:
        if _libc().setns(handle, kind) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise UnavailableError("permission", f"the {name} namespace of process {pid} cannot be entered: {reason}")
        os.close(handle)


def _differing(pid: int) -> list[tuple[str, int]]:
    kinds = (("user", _CLONE_NEWUSER), ("net", _CLONE_NEWNET))
    return [
        (name, kind)
        for name, kind in kinds
        if Path(f"/proc/{pid}/ns/{name}").readlink() != Path(f"/proc/self/ns/{name}").readlink()
    ]


def forbidder(*, judging: Callable[[], bool]) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that refuses writes always, and while judging also connecting and starting processes."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if (
                isinstance(flags, int)
                and flags & _OPEN_TO_WRITE
                and str(path) != os.devnull
                and not isinstance(path, int)
            ):
                raise ForbiddenError(f"it tried to open {Path(os.fsdecode(path))} for writing; a diagnostic only reads")
        elif (
            event in _WRITING
            or (event in _ACTING and judging())
            or (event == "sqlite3.connect" and (judging() or not _reads(arguments[0])))
        ):
            raise ForbiddenError(f"it called {event}; a diagnostic judges evidence and does nothing else")

    return hook


def _reads(database: Any) -> bool:
    """Return whether SQLite is asked to open a database for reading only: evidence lies in some."""
    scheme, _, rest = str(database).partition(":")
    return scheme == "file" and "mode=ro" in rest.partition("?")[2].split("&")


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
