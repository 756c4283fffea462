"""Groups of server processes: started, found again by a deployer that knows nothing of them, and stopped whole.

A process holds a lock on its own file (`flock`, inherited over `exec`) as long as it or one that it forked lives. So
who comes after a `kill -9` of the deployer asks the kernel, not a number: a pid that was given to another program since
cannot be mistaken for it, and there is no moment at which a process runs that nobody could find.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Protocol

from plumbline.deployment.core.errors import UnavailableError
from plumbline.deployment.lanes.frontdoor import Address

_POLL_S = 0.01
_LOOK_S = 0.05
_STARTED: list[subprocess.Popen[bytes]] = []
"""Children of this process. They outlive the group's object, and this process: nothing ends them but `stop`."""
_SAY = 'printf "%s %s\\n" "$$" "$1" > "$0.new" && mv "$0.new" "$0" && shift && exec "$@"'
"""The child itself says who it is, before it becomes the server: a deployer killed just after `fork` loses nothing."""


class Group(Protocol):
    """Processes that serve one version together, each behind its own server line of HAProxy."""

    @property
    def name(self) -> str:
        """What it is called: the beginning of its servers' names in HAProxy."""
        ...

    @property
    def size(self) -> int:
        """How many processes it has."""
        ...

    def running(self) -> str | None:
        """Return the digest that its processes serve; None if no process is left."""
        ...

    def whole(self) -> bool:
        """Return True if every process is alive."""
        ...

    def ready(self) -> bool:
        """Ask each process; True if all say that they can answer."""
        ...

    def start(self, digest: str) -> None:
        """Start the processes that are missing, of a group that serves this digest or nothing."""
        ...

    def stop(self) -> None:
        """End all processes, and wait for it."""
        ...

    def words(self) -> str:
        """Return what the processes said last, for an error."""
        ...


@dataclass(frozen=True, slots=True)
class Launch:
    """How a process is started.

    Args:
        argv: The program and its words; the program is usually the Python of the version's own environment.
        env: Added to the deployer's environment.
        cwd: Where it runs.
        bare: Whether `env` is all that it sees: secrets of the deployer are none of a server's business.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    bare: bool = False


class Processes:
    """A group of real processes on this machine. They must not turn themselves into daemons.

    Args:
        name: Of the group, such as `blue`.
        folder: For its lock, pid and log files.
        addresses: Where each process listens.
        launch: Says how to serve a digest at an address.
        grace_s: How long a process may take to end after SIGTERM, in seconds; then it is killed.
        answer_s: How long a process may take to say that it is ready, in seconds.
    """

    def __init__(  # noqa: PLR0913, RUF100 - a group is made once, by name
        self,
        name: str,
        folder: Path,
        addresses: Sequence[Address],
        launch: Callable[[str, Address], Launch],
        *,
        grace_s: float = 30.0,
        answer_s: float = 2.0,
    ) -> None:
        self.name = name
        self.size = len(addresses)
        self._addresses = addresses
        self._launch = launch
        self._grace_s = grace_s
        self._answer_s = answer_s
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def running(self) -> str | None:
        """Return the digest that its processes serve; None if no process is left."""
        return next((said[1] for number in self._alive() if (said := self._said(number))), None)

    def whole(self) -> bool:
        """Return True if every process is alive."""
        return len(self._alive()) == self.size

    def ready(self) -> bool:
        """Ask each process `GET /v2/health/ready`; True if all answer 200."""
        return self.whole() and all(_ready(address, self._answer_s) for address in self._addresses)

    def start(self, digest: str) -> None:
        """Start the processes that are missing.

        Raises:
            UnavailableError: A program cannot be started.
        """
        for number, address in enumerate(self._addresses):
            fd = os.open(self._path(number, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if _taken(fd):
                    self._begin(number, digest, self._launch(digest, address), fd)
            finally:
                os.close(fd)

    def stop(self) -> None:
        """End all processes with their children: SIGTERM, and SIGKILL for those that do not go.

        Raises:
            UnavailableError: One is still there after SIGKILL (it hangs in the kernel).
        """
        for sent, patience_s in ((signal.SIGTERM, self._grace_s), (signal.SIGKILL, self._grace_s)):
            for number in self._alive():
                if said := self._said(number):
                    with suppress(ProcessLookupError):
                        os.killpg(said[0], sent)
            if self._gone(patience_s):
                return
        raise UnavailableError(f"group {self.name}: a process does not end, even by SIGKILL", group=self.name)

    def words(self) -> str:
        """Return the last lines that the processes wrote."""
        logs = [self._path(number, "log") for number in range(self.size)]
        return "\n".join(log.read_text(errors="replace")[-500:].strip() for log in logs if log.exists()).strip()

    def _begin(self, number: int, digest: str, launch: Launch, fd: int) -> None:
        record = self._path(number, "pid")
        record.unlink(missing_ok=True)
        try:
            with self._path(number, "log").open("wb") as log:
                child = subprocess.Popen(
                    ["/bin/sh", "-c", _SAY, str(record), digest, *launch.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=launch.cwd,
                    env=dict(launch.env) if launch.bare else {**os.environ, **launch.env},
                    pass_fds=[fd],
                    start_new_session=True,  # a group of its own: Ctrl-C on the deployer is not for the servers
                )
        except OSError as error:
            raise UnavailableError(f"group {self.name} cannot be started: {error}", group=self.name) from error
        _STARTED.append(child)

    def _gone(self, patience_s: float) -> bool:
        end = time.monotonic() + patience_s
        while self._alive():
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_S)
        return True

    def _alive(self) -> list[int]:
        _STARTED[:] = [child for child in _STARTED if child.poll() is None]  # what ended is reaped
        return [number for number in range(self.size) if _locked(self._path(number, "lock"))]

    def _said(self, number: int) -> tuple[int, str] | None:
        """Return pid and digest of a living process; it says them within milliseconds of its start."""
        record, lock = self._path(number, "pid"), self._path(number, "lock")
        while _locked(lock):
            with suppress(FileNotFoundError, ValueError):
                pid, digest = record.read_text().split()
                return int(pid), digest
            time.sleep(_POLL_S)
        return None

    def _path(self, number: int, kind: str) -> Path:
        return self._folder / f"{self.name}{number + 1}.{kind}"


def _taken(fd: int) -> bool:
    """Take the lock of a process that is to be started; False if it lives. Whoever looks holds it for a moment."""
    end = time.monotonic() + _LOOK_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_S / 10)
        else:
            return True


def _locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _ready(address: Address, timeout_s: float) -> bool:
    link = HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        link.request("GET", "/v2/health/ready", headers={"connection": "close"})
        return link.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        link.close()
