"""A gateway of one's own for the length of a run: started, awaited, and taken down again."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plumbline.streaming.load.errors import LoadError

READY_S = 30.0
STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A gateway that accepts connections.

    Args:
        url: Of its WebSocket.
        admin: Its admin socket.
        pid: Of the process, the supervisor if there are workers.
    """

    url: str
    admin: str
    pid: int


@contextmanager
def gateway(
    words: Sequence[str] = (), *, bind: Callable[[], None] | None = None, listen: str = "127.0.0.1:0"
) -> Iterator[Standing]:
    """Run `plumb gateway serve` until the block ends.

    Args:
        words: More options (`--workers 2`, `--set key=value`).
        bind: Called in the child before it starts: ties it to this process.
        listen: Address and port; port 0 takes a free one.

    Raises:
        LoadError: It does not start; the sentence repeats its own.
    """
    with tempfile.TemporaryDirectory(prefix="plumbline-load-") as folder:
        admin, log = f"{folder}/admin.sock", Path(folder, "gateway.log")
        command = [sys.executable, "-m", "plumbline.streaming", "--listen", listen, "--admin", admin, *words]
        with log.open("wb") as errors:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                preexec_fn=bind,  # noqa: PLW1509 - it only makes system calls
            )
        try:
            yield Standing(_url(child, log), admin, child.pid)
        finally:
            child.terminate()
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()


def _url(child: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the one line that says it is ready."""
    assert child.stdout is not None  # noqa: S101 - it was asked for
    with selectors.DefaultSelector() as waiting:
        waiting.register(child.stdout, selectors.EVENT_READ)
        said = os.read(child.stdout.fileno(), 4096) if waiting.select(READY_S) else b""
    try:
        return str(json.loads(said)["url"])
    except (ValueError, KeyError):
        last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise LoadError(f"the gateway does not start: {last or f'no word from it in {READY_S:g} s'}") from None
