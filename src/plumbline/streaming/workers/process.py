"""One worker process, as its supervisor sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from plumbline.streaming.workers.asking import ask
from plumbline.streaming.workers.relay_server import RelayServer, Session


class State(StrEnum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to start one.

    Args:
        number: The worker's number, from 0; a replacement has the number of the one it replaces.
        words: The command's words after `python -m plumbline.streaming`, but for what only this worker has.
        listener: The listening socket it accepts from.
        admin: Path of its admin socket.
        cpu: The processor it is bound to; None: any.
        relay: The broker it uses; None: its words name another.
        changes: Settings that were changed since the start.
    """

    number: int
    words: Sequence[str]
    listener: socket.socket
    admin: str
    cpu: int | None
    relay: RelayServer | None
    changes: Mapping[str, Any] = field(default_factory=dict)


class Worker:
    """A worker process. Its standard input is its lifeline: when that ends, it drains and ends itself.

    Args:
        plan: How to start it.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.admin = plan.admin
        self.state = State.STARTING
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.started_at = asyncio.get_running_loop().time()
        self.last_words: dict[str, Any] = {}  # its counters when it ended in order
        self.url = ""
        self.session: Session | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        return f"worker-{self.plan.number}"

    async def start(self) -> None:
        """Start the process; `ready` is set when it accepts connections.

        Raises:
            OSError: It cannot be started.
        """
        inside: dict[str, Any] = {"worker": self.plan.number, "cpu": self.plan.cpu, "changes": dict(self.plan.changes)}
        handed, ours = [self.plan.listener.fileno()], None
        theirs = None
        if self.plan.relay is not None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            inside["relay_fd"] = theirs.fileno()
            handed.append(theirs.fileno())
        command = [sys.executable, "-m", "plumbline.streaming", *self.plan.words, "--admin", self.admin]
        command += ["--listen-fd", str(self.plan.listener.fileno()), "--inside", json.dumps(inside)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=handed
            )
        finally:
            if theirs is not None:
                theirs.close()
        if self.plan.relay is not None and ours is not None:
            self.session = await self.plan.relay.serve(ours, str(self))
        self._reading = asyncio.get_running_loop().create_task(self._read(self._process))

    @property
    def pid(self) -> int:
        """Process id; 0 before it is started."""
        return self._process.pid if self._process is not None else 0

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it lives."""
        return self._process.returncode if self._process is not None else None

    def signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def order(self, order: dict[str, Any]) -> None:
        """Send an order down its lifeline."""
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def drain(self, within_s: float | None = None) -> None:
        """Let it send its clients away and end.

        Args:
            within_s: Time over which they go, in seconds; 0: at once, None: as its settings say.
        """
        if self.state is State.ENDED:
            return
        early = self.state is State.STARTING
        self.state = State.DRAINING
        if within_s is None or early:
            self.signal(signal.SIGTERM)
        else:
            self.order({"drain": within_s} if within_s else {"stop": True})

    def step_aside(self) -> None:
        """Leave the name of its admin socket to the one that replaces it."""
        aside = f"{self.plan.admin}.draining"
        with contextlib.suppress(FileNotFoundError):
            Path(self.admin).rename(aside)
            self.admin = aside

    def step_back(self) -> None:
        """Take the name back: the other one did not start."""
        with contextlib.suppress(FileNotFoundError):
            Path(self.admin).rename(self.plan.admin)
            self.admin = self.plan.admin

    async def get(self, view: str) -> Any:
        """Ask its admin socket.

        Raises:
            AdminError: It does not answer.
        """
        return await ask(self.admin, {"get": view})

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Read its lines until it ends."""
        stream = process.stdout
        while stream is not None and (line := await stream.readline()):
            with contextlib.suppress(ValueError):
                self._heard(json.loads(line))
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        if self.admin.endswith(".draining"):
            with contextlib.suppress(OSError):
                os.unlink(self.admin)  # noqa: PTH108 - as the string it is
        self.state = State.ENDED
        self.ended.set()

    def _heard(self, event: dict[str, Any]) -> None:
        if event.get("event") == "ready":
            self.url = event["url"]
            self.state = State.READY
            self.started_at = asyncio.get_running_loop().time()
            self.ready.set()
        elif event.get("event") == "ended":
            self.last_words = event["stats"]
