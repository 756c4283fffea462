"""Look into another process: its sockets, and its network namespace (a container has its own)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from plumbline.evidence import Endpoint, UnavailableError, linux_only, looking_into, pid_of

T = TypeVar("T")
PROC = Path("/proc")


def socket_inodes(pid: int) -> set[int]:
    """Return the inodes of all sockets of a process.

    Raises:
        UnavailableError: There is no such process, or it belongs to another user.
    """
    inodes: set[int] = set()
    with looking_into(pid):
        for entry in os.scandir(PROC / str(pid) / "fd"):
            try:
                target = os.readlink(entry.path)  # noqa: PTH115 - one Path per descriptor costs more than the call
            except FileNotFoundError:  # closed since the listing
                continue
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
    return inodes


def inside(pid: int, read: Callable[[], T]) -> T:
    """Call `read` in the network namespace of a process, and return what it returns.

    The namespace is a property of the thread: a thread enters it and ends, so this process never leaves its own.

    Raises:
        UnavailableError: The namespace is another one and we may not enter it.
    """
    theirs = PROC / str(pid) / "ns/net"
    try:
        if theirs.readlink() == (PROC / "self/ns/net").readlink():
            return read()
    except OSError as error:
        raise UnavailableError(
            "permission", f"the network namespace of process {pid} cannot be told: {error}"
        ) from None
    return _in_thread(lambda: _entered(theirs, pid, read))


def ways(read: Callable[[], T], elsewhere: str) -> tuple[Callable[[Endpoint], T], Callable[[Endpoint], T]]:
    """Return two readers of evidence that belongs to a network namespace: of a process's, and of this machine's.

    All of the namespace, not of the process: TIME_WAIT belongs to none, and the proxy in front is another process.

    Args:
        read: Reads the namespace of this thread.
        elsewhere: What to say outside of Linux.
    """

    def of_process(endpoint: Endpoint) -> T:
        pid = pid_of(endpoint)
        linux_only(elsewhere)
        return inside(pid, read)

    def of_machine(_: Endpoint) -> T:
        linux_only(elsewhere)
        return read()

    return of_process, of_machine


def _entered(theirs: Path, pid: int, read: Callable[[], T]) -> T:
    from pyroute2 import netns

    try:
        with theirs.open("rb") as handle:
            netns.setns(handle.fileno())
    except OSError as error:
        raise UnavailableError(
            "permission", f"process {pid} lives in another network namespace (a container?): {error}; run as root"
        ) from None
    return read()


def _in_thread(work: Callable[[], T]) -> T:
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=run, name="plumbline-netns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
