"""What a server's event loop does instead of waiting for events, from /proc: any server, in any language, unharmed.

An event loop that has nothing to do sits in epoll_wait. `/proc/PID/task/TID/syscall` says in which system call a thread
is, and `schedstat` how long it ran and how long it waited for a processor. A stretch without anybody in epoll_wait is
time in which no client is served.
"""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.streaming.probes.sockets import LISTEN, PROC, inodes, rows

PERIOD_S = 0.02
THREADS = 8  # of a process are watched: the first, and those that used the processor most
UNREAD_AFTER_S, UNREAD_EVERY_S = 0.1, 0.2  # the table of sockets is long; it is read in a stretch only
RUNNING = "computing"
_CALLS = {
    "x86_64": {
        0: "read", 7: "poll", 23: "select", 35: "nanosleep", 42: "connect", 44: "sendto", 45: "recvfrom", 47: "recvmsg",
        61: "wait4", 74: "fsync", 75: "fdatasync", 202: "futex", 230: "clock_nanosleep", 232: "epoll_wait",
        270: "pselect6", 271: "ppoll", 281: "epoll_pwait", 426: "io_uring_enter", 441: "epoll_pwait2",
    },
    "aarch64": {
        22: "epoll_pwait", 63: "read", 72: "pselect6", 73: "ppoll", 82: "fsync", 83: "fdatasync", 98: "futex",
        101: "nanosleep", 115: "clock_nanosleep", 203: "connect", 206: "sendto", 207: "recvfrom", 212: "recvmsg",
        260: "wait4", 426: "io_uring_enter", 441: "epoll_pwait2",
    },
}  # fmt: skip
_EPOLL = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "io_uring_enter"}
_POLL = {"poll", "ppoll", "select", "pselect6"}
_ON_DESCRIPTOR = {"read", "recvfrom", "recvmsg", "sendto", "connect"}


@dataclass(slots=True)
class Stretch:
    """A time in which nobody waited for events.

    Args:
        began: When it was first seen, in seconds.
        ran: The thread's processor time then, in seconds.
        starved: How long it had waited for a processor by then, in seconds.
        ended: When it was last seen.
        cpu_s: Processor time that it took since.
        starved_s: Time that it waited for a processor since.
        doing: What the loop's thread was seen at.
        disk: How often that was uninterruptible: a disk, or a network file system.
        waits_for: Peer or file of the system call.
        unread: Most connections whose data, or whose handshake, lay unread.
    """

    began: float
    ran: float
    starved: float
    ended: float = 0.0
    cpu_s: float = 0.0
    starved_s: float = 0.0
    doing: Counter[str] = field(default_factory=Counter)
    disk: int = 0
    waits_for: str = ""
    unread: int = 0

    @property
    def seconds(self) -> float:
        """How long it was seen."""
        return max(0.0, self.ended - self.began)


class Watch:
    """One process under watch.

    Args:
        pid: The process.
        proc: Where procfs is mounted.

    Raises:
        FileNotFoundError: No such process.
        PermissionError: It belongs to another user.
    """

    def __init__(self, pid: int, proc: Path = PROC) -> None:
        self.pid = pid
        self._proc = proc
        self._task = proc / str(pid) / "task"
        links = [_link(proc / str(pid) / "fd" / entry) for entry in os.listdir(proc / str(pid) / "fd")]  # noqa: PTH208 - 15,000 Path objects
        self.evented = any("[eventpoll]" in link or "[io_uring]" in link for link in links)
        self._waits = _EPOLL if self.evented else _POLL
        self._names = _CALLS.get(platform.machine(), {})
        self._threads = self._busiest()
        self.attended: Counter[int] = Counter()
        self.looks = 0
        self.longest = Stretch(0.0, 0.0, 0.0)
        self.away_looks = 0
        self._now: Stretch | None = None
        self._asked_at = 0.0
        self._ports = self._listening()

    @property
    def loop(self) -> int:
        """The thread that waits for events; the first one as long as none was seen to."""
        return self.attended.most_common(1)[0][0] if self.attended else self.pid

    def look(self, now: float) -> None:
        """Take one sample.

        Args:
            now: The clock, in seconds.

        Raises:
            FileNotFoundError: The process has ended.
        """
        self.looks += 1
        calls = {thread: self._call(thread) for thread in self._threads}
        waiting = [thread for thread, (name, _) in calls.items() if name in self._waits]
        self.attended.update(waiting)
        if waiting:
            self._now = None
            return
        self.away_looks += 1
        ran, starved = self._times(self.loop)
        if self._now is None:
            self._now = Stretch(now, ran, starved)
        stretch = self._now
        stretch.ended, stretch.cpu_s, stretch.starved_s = now, ran - stretch.ran, starved - stretch.starved
        name, descriptor = calls.get(self.loop, (RUNNING, None))
        stretch.doing[name] += 1
        stretch.disk += self._state() == "D"
        if descriptor is not None and not stretch.waits_for:
            stretch.waits_for = self._other_end(descriptor)
        if stretch.seconds >= UNREAD_AFTER_S and now - self._asked_at >= UNREAD_EVERY_S:
            self._asked_at = now
            stretch.unread = max(stretch.unread, self._unread())
        if stretch.seconds >= self.longest.seconds:
            self.longest = stretch

    def times(self) -> tuple[float, float]:
        """Return processor time of the loop's thread and how long it waited for a processor, in seconds."""
        return self._times(self.loop)

    def _busiest(self) -> list[int]:
        threads = sorted(int(entry) for entry in os.listdir(self._task))  # noqa: PTH208 - names only
        others = sorted((one for one in threads if one != self.pid), key=lambda one: -self._times(one)[0])
        return [self.pid, *others[: THREADS - 1]]

    def _times(self, thread: int) -> tuple[float, float]:
        try:
            ran, starved = (self._task / str(thread) / "schedstat").read_text().split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            return 0.0, 0.0
        return int(ran) / 1e9, int(starved) / 1e9

    def _call(self, thread: int) -> tuple[str, int | None]:
        """Return the system call that a thread is in, and the descriptor it is about."""
        try:
            words = (self._task / str(thread) / "syscall").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            if thread == self.pid:
                raise FileNotFoundError(self.pid) from None
            return "ended", None
        if not words[0].lstrip("-").isdigit() or int(words[0]) < 0:
            return RUNNING, None
        name = self._names.get(int(words[0]), f"system call {words[0]}")
        return name, int(words[1], 16) if name in _ON_DESCRIPTOR else None

    def _state(self) -> str:
        try:
            text = (self._task / str(self.loop) / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return text.rpartition(")")[2].split()[0]

    def _other_end(self, descriptor: int) -> str:
        """Return the peer of a socket, or the path of a file."""
        target = _link(self._proc / str(self.pid) / "fd" / str(descriptor))
        if not target.startswith("socket:["):
            return target
        inode = int(target[8:-1])
        found = [row.remote for row in self._table() if row.inode == inode]
        return _address(found[0]) if found else ""

    def _table(self) -> list[_Row]:
        found = []
        for name in ("tcp", "tcp6"):
            path = self._proc / str(self.pid) / "net" / name
            if path.exists():
                text = path.read_text()
                unread = {int(word[9]): int(word[4].partition(":")[2], 16) for word in _words(text)}
                found += [_Row(row.local, row.remote, row.state, row.inode, unread[row.inode]) for row in rows(text)]
        return found

    def _listening(self) -> set[str]:
        mine = inodes(self.pid, self._proc)
        return {row.port for row in self._table() if row.state == LISTEN and row.inode in mine}

    def _unread(self) -> int:
        """Return how many connections of its ports have data that nobody reads, or wait to be accepted."""
        mine = [row for row in self._table() if row.port in self._ports and row.unread]
        return sum(row.unread if row.state == LISTEN else 1 for row in mine)


@dataclass(frozen=True, slots=True)
class _Row:
    local: str
    remote: str
    state: str
    inode: int
    unread: int

    @property
    def port(self) -> str:
        return self.local.rpartition(":")[2]


def watch(
    pids: list[int],
    window_s: float,
    proc: Path = PROC,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> list[Watch]:
    """Watch processes for a while; those that end meanwhile are left out.

    Raises:
        FileNotFoundError: None of them is there.
        PermissionError: One belongs to another user.
    """
    found = [Watch(pid, proc) for pid in pids]
    until = clock() + window_s
    while found and (now := clock()) < until:
        for one in tuple(found):
            try:
                one.look(now)
            except (FileNotFoundError, ProcessLookupError):
                found.remove(one)
        pause(PERIOD_S)
    if not found:
        raise FileNotFoundError(pids)
    return found


def _words(text: str) -> list[list[str]]:
    lines = [line.split() for line in text.splitlines()[1:]]
    return [words for words in lines if len(words) > 9 and ":" in words[4]]


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _address(text: str) -> str:
    """Return `ADDRESS:PORT` as people write it; an IPv6 address as the kernel's digits."""
    host, _, port = text.rpartition(":")
    if len(host) == 8:  # IPv4, lowest byte first
        host = ".".join(str(int(host[at : at + 2], 16)) for at in (6, 4, 2, 0))
    return f"{host}:{int(port, 16)}"
