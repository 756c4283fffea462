"""The owner's end of a keeper: requests go down its stdin, answers and events come up its stdout."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.lab.errors import LabError, MissingError

_SLICE_S = 0.5
"""Longest wait in one piece: a signal that arrives just before a wait is served after it, in seconds."""


@dataclass(slots=True)
class Life:
    """What is known of one process of the lab.

    Args:
        pid: Of its latest start.
        starts: How often it was started.
        code: Exit code of its latest end (negative: the signal); None while it runs.
        again: It has ended and will be started again.
        failure: Why the keeper could not start it again.
    """

    pid: int = 0
    starts: int = 0
    code: int | None = None
    again: bool = False
    failure: str | None = None


class Link:
    """Starts a keeper and talks to it; closing it, or dying, ends the lab.

    Args:
        lab: Id of the lab.
        folder: Folder of the lab; the keeper removes it at the end.
        netns: Give the lab a network namespace.
        mountns: Give it a mount namespace.
        env: Environment of the keeper.

    Raises:
        MissingError: The machine gives no network namespace.
    """

    def __init__(self, lab: str, folder: Path, *, netns: bool, mountns: bool = False, env: dict[str, str]) -> None:
        argv = [sys.executable, "-m", "plumbline.lab.keeper", lab, str(folder)]
        argv += [*(["--netns"] if netns else []), *(["--mountns"] if mountns else [])]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, start_new_session=True, cwd="/"
        )
        self._changed = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._requests = 0
        self._ready = False
        self._failure: str | None = None
        self._ended = False
        self.lives: dict[str, Life] = {}
        self._reader = threading.Thread(target=self._listen, name=f"keeper-{lab}", daemon=True)
        self._reader.start()
        self.wait(lambda: self._ready or self._ended, "the keeper starts", 30.0)
        if not self._ready:
            self.close()
            raise MissingError(self._failure or "the keeper of the lab ended before it was ready")

    @property
    def pid(self) -> int:
        """Process id of the keeper."""
        return self._process.pid

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was opened as a pipe, for the type checker
        for line in self._process.stdout:
            with self._changed:
                self._heard(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _heard(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        life = self.lives.setdefault(message["name"], Life()) if "name" in message else Life()
        match message["event"]:
            case "ready":
                self._ready = True
            case "started":
                life.pid, life.starts, life.code, life.again = message["pid"], message["starts"], None, False
            case "exited":
                life.code, life.again = message["code"], message["again"]
            case "failed" if "name" in message:
                life.failure, life.again = message["sentence"], False
            case "failed":
                self._failure = message["sentence"]

    def wait(self, done: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Wait until something is true; it is asked whenever the keeper says anything.

        Raises:
            LabError: It did not come true in time, or the keeper ended.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not done():
                if self._ended and self._ready:
                    raise LabError(f"waited until {what}, but the keeper of the lab has ended")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LabError(f"waited {timeout_s:.0f} s until {what}, in vain")
                self._changed.wait(min(left, _SLICE_S))

    def ask(self, op: str, *, timeout_s: float = 20.0, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises:
            LabError: The keeper says no, is gone, or does not answer in time.
        """
        with self._changed:
            self._requests += 1
            number = self._requests
        line = json.dumps({"id": number, "op": op} | fields) + "\n"
        try:
            assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe, for the type checker
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise LabError("the keeper of the lab is gone, and the lab with it") from None
        self.wait(lambda: number in self._answers, f"the keeper answers '{op}'", timeout_s)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise LabError(answer["error"])
        result: dict[str, Any] = answer["ok"]
        return result

    def close(self, timeout_s: float = 20.0) -> None:
        """End the lab and wait until the keeper has cleaned up; a second call does nothing."""
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe, for the type checker
        with contextlib.suppress(OSError):  # the keeper is gone already, with unsent bytes in our buffer
            self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
