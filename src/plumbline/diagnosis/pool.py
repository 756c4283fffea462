"""The parent's side of the worker: starts it, hands out jobs, kills what hangs, starts a new one if it dies."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from plumbline.diagnosis.worker import END, FAILED, FORK, FRAME

_START_S = 60.0
_GLANCE_S = 0.05
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "VIRTUAL_ENV", "SYSTEMROOT")
_PASSED_ON_PREFIXES = ("PYTHON", "COVERAGE", "COV_CORE")


class JobError(Exception):
    """A job gave no answer.

    Args:
        reason: `timeout`, `exception` or `cancelled`.
        sentence: What happened.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        self.reason = reason
        self.sentence = sentence
        super().__init__(sentence)


class Pool:
    """A pre-started worker that forks a confined process for each job; safe to use from several threads.

    Args:
        paths: Files of the diagnostics that will run: what they import is imported once, before the first job.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = [str(path) for path in paths]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False

    def start(self) -> None:
        """Start the worker and return at once; the first job waits until it is ready."""
        with self._lock:
            self._closed = False
            self._start()

    def close(self) -> None:
        """End the worker and all that it runs."""
        with self._lock:
            self._closed = True
            self._stop()

    def run(self, job: dict[str, Any], timeout_s: float, cancel: threading.Event | None = None) -> dict[str, Any]:
        """Do a job in a process of its own and return its answer.

        Args:
            job: See `plumbline.diagnosis.job.run`.
            timeout_s: Longest wait for the answer, in seconds; then it is killed.
            cancel: Kills it when set.

        Raises:
            JobError: It timed out, crashed or was cancelled, or no process could be started.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                pid = self._exchange(FORK, 0, theirs)
            if pid == FAILED:
                raise JobError("exception", "no process could be started for it; the machine or the user has too many")
            try:
                answer = _converse(ours, job, timeout_s, cancel)
            except BaseException:
                self._end(pid)
                raise
            killed_by = self._end(pid)
        if answer is None:
            raise JobError("exception", _crash(killed_by))
        return answer

    def _end(self, pid: int) -> int:
        try:
            return self._exchange(END, pid)
        except JobError:  # the worker is gone, and its children with it
            return 0

    def _exchange(self, kind: bytes, number: int, give: socket.socket | None = None) -> int:
        with self._lock:
            for _ in range(2):
                if self._closed:
                    raise JobError("cancelled", "the runner was closed")
                try:
                    return self._ask(kind, number, give)
                except OSError:
                    self._stop()
                    if kind == END:
                        return 0
                    self._start()
        raise JobError(
            "exception", "the worker process does not start; run 'plumb diagnose' with the same Python to see why"
        )

    def _ask(self, kind: bytes, number: int, give: socket.socket | None) -> int:
        if self._control is None:
            self._start()
        control = self._control
        assert control is not None  # noqa: S101 - just started
        socket.send_fds(control, [FRAME.pack(kind, number)], [give.fileno()] if give else [])
        data = b""
        while len(data) < FRAME.size:
            piece = control.recv(FRAME.size - len(data))
            if not piece:
                raise ConnectionError("the worker has ended")
            data += piece
        return int(FRAME.unpack(data)[1])

    def _start(self) -> None:
        if self._process is not None:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            command = [
                sys.executable,
                "-P",
                "-m",
                "plumbline.diagnosis.worker",
                str(theirs.fileno()),
                json.dumps(self._paths),
            ]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        ours.settimeout(_START_S)
        self._control = ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()  # the worker reads the end, kills its children and ends
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def environment() -> dict[str, str]:
    """Return the environment of workers: names on a short list only, so that nobody's secrets are within reach."""
    return {
        name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }


def _converse(
    channel: socket.socket, job: dict[str, Any], timeout_s: float, cancel: threading.Event | None
) -> dict[str, Any] | None:
    """Send the job and wait for its answer; None if the other side ended without one."""
    deadline = time.monotonic() + timeout_s
    channel.settimeout(timeout_s)
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        try:
            channel.sendall(json.dumps(job).encode() + b"\n")
        except TimeoutError:
            raise JobError("timeout", _late(timeout_s)) from None
        while not received.endswith(b"\n"):
            if cancel is not None and cancel.is_set():
                raise JobError("cancelled", "the run was cancelled before it finished")
            left = deadline - time.monotonic()
            if left <= 0:
                raise JobError("timeout", _late(timeout_s))
            if not select.select([channel], [], [], min(left, _GLANCE_S))[0]:
                continue
            piece = channel.recv(1 << 16)
            if not piece:
                break
            received += piece
            if len(received) > _MAX_ANSWER_BYTES:
                raise JobError("exception", f"its evidence exceeds {_MAX_ANSWER_BYTES >> 20} MiB")
    try:
        answer = json.loads(received)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _late(timeout_s: float) -> str:
    return f"it did not finish within {timeout_s:g} s and was killed; --timeout gives it longer"


def _crash(killed_by: int) -> str:
    if killed_by:
        return f"the diagnostic's process was ended by {signal.Signals(killed_by).name} before it answered"
    return "the diagnostic's process ended before it answered"
