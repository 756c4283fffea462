"""Namespaces for one lab, network and mounts: entered before the keeper starts anything, gone with its last process."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV = 2, 4
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


class NamespaceError(OSError):
    """The machine gives this process no namespace."""


def enter(*, network: bool = True, mounts: bool = False) -> None:
    """Move this (single-threaded) process into new namespaces; a network's loopback is up, mounts stay inside.

    As root that needs nothing else; otherwise a user namespace comes first, in which this user is root.

    Raises:
        NamespaceError: The kernel or its policy refuses.
    """
    if sys.platform != "linux":
        raise NamespaceError("namespaces exist on Linux only; run this proof on a Linux machine or in a container")
    uid, gid = os.geteuid(), os.getegid()
    flags = (_CLONE_NEWNET if network else 0) | (_CLONE_NEWNS if mounts else 0)
    flags |= 0 if uid == 0 else _CLONE_NEWUSER
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise NamespaceError(f"unshare: {reason}; run as root, or allow unprivileged user namespaces on this machine")
    if flags & _CLONE_NEWUSER:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    if network:
        _raise_loopback()
    if mounts:
        mount("none", "/", "private")


def mount(source: str, target: str, kind: str, options: str = "") -> None:
    """Mount a file system (`tmpfs`), one file or folder over another (`bind`), or keep mounts to ourselves (`private`).

    Raises:
        OSError: The kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    flags = {"bind": _MS_BIND, "private": _MS_REC | _MS_PRIVATE}.get(kind, _MS_NOSUID | _MS_NODEV)
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise OSError(f"mount {kind} at {target}: {reason}")


def of(pid: int) -> str:
    """Return the network namespace of a process, as the kernel names it: `net:[4026532000]`; names are used again."""
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def pin(pid: int) -> int:
    """Return a file descriptor that keeps the network namespace of a process.

    As long as it is open, the kernel gives its name to no other one, so that `inhabitants` counts no strangers.
    """
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def inhabitants(namespace: str) -> list[int]:
    """Return the processes in a network namespace; it is gone when there are none."""
    found = []
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            if str(link.readlink()) == namespace:
                found.append(int(link.parts[2]))
        except OSError:  # ended meanwhile, or another user's
            continue
    return sorted(found)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
