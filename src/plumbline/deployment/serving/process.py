"""A server as a process of its own, for programs that start and stop servers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from plumbline.deployment.core.errors import UnavailableError
from plumbline.deployment.serving.admin import ask
from plumbline.deployment.serving.options import Options

LOOK_EVERY_S = 0.01
LAST_BYTES = 4000  # of the log, when a server does not begin


class Server:
    """A server process; a context manager that starts it and stops it.

    Args:
        options: Its settings. With port 0 the kernel chooses; without an admin socket one is made in `folder`.
        folder: For the admin socket and the log; by default a temporary one that goes with the server.
        environment: Added to that of this process.
        start_s: Seconds that the first version may take to become ready.
    """

    def __init__(
        self,
        options: Options,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        start_s: float = 60.0,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="plumbline-server-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary is not None else folder or Path()
        self.admin = Path(options.admin or self.folder / "admin.sock")
        self.log = self.folder / "server.log"
        self._announced = self.folder / "announced.json"
        self.options = replace(options, admin=str(self.admin), announce=str(self._announced))
        self._environment = {**os.environ, **(environment or {})}
        self._start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.options.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        if self._process is None:
            raise UnavailableError("the server was not started")
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it is ready (or, without a `ref`, when it listens).

        Raises:
            UnavailableError: It ended or did not become ready in time; the sentence ends with its last log lines.
        """
        self._announced.unlink(missing_ok=True)
        with self.log.open("ab") as lines:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "plumbline.deployment.serving", json.dumps(asdict(self.options))],
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=lines,
                env=self._environment,
            )
        until = time.monotonic() + self._start_s
        while not self._announced.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                ended = self._process.poll()
                self.kill()
                what = f"ended with {ended}" if ended is not None else f"was not ready within {self._start_s:g} s"
                raise UnavailableError(f"the server {what}: {self._last()}")
            time.sleep(LOOK_EVERY_S)
        self.port = json.loads(self._announced.read_text())["port"]

    def ask(self, verb: str, **facts: Any) -> dict[str, Any]:
        """Send a command through the admin socket; see `admin.ask`."""
        return ask(self.admin, {"verb": verb, **facts})

    def stop(self, within_s: float = 40.0) -> int:
        """Send SIGTERM, wait for the drain, and return the exit code; kill it if that takes too long."""
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def kill(self) -> None:
        """Send SIGKILL: nothing is drained."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._forget()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._forget()

    def _forget(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def _last(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_bytes()[-LAST_BYTES:].decode(errors="replace").strip()
        return "it wrote nothing"
