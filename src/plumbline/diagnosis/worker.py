"""The worker: one process that imports everything once, and forks a confined child for every diagnostic.

It is single-threaded and does nothing but fork, kill and reap, so a child starts in milliseconds and nothing that a
diagnostic does reaches the next one. While nobody asks, it imports the libraries that probes load when they first need
them, so that later children find those, too. Started by `plumbline.diagnosis.pool`, which talks to it over a socket in
frames of eight bytes; each child gets a socket of its own: one JSON line in (the job), one JSON line out (the answer).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

FRAME = struct.Struct("!cxxxI")
FORK, END = b"F", b"E"
FAILED = 0xFFFFFFFF
_PATIENCE_S = 2.0
_NICE = 5
_IDLE_S = 0.3
WHEN_IDLE = ("urllib.request", "asyncio", "websockets.sync.client", "httpx", "sqlalchemy", "pyroute2")
"""Each takes a child 20 to 150 ms to import; none begins a thread, which a process that forks may not have."""


def main() -> None:
    """Serve until the parent's end of the socket closes, then kill what is left."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    preload(json.loads(sys.argv[2]))
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    try:
        serve(control, children)
    finally:
        for pid in children:
            _kill(pid)


def preload(paths: list[str]) -> None:
    """Import what the diagnostics import, so that no child has to."""
    from plumbline.diagnosis import job, rules

    job.warm()
    for path in paths:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for name in sorted(rules.imported(Path(path).read_text(encoding="utf-8"))):
                _import(name)


def _import(name: str) -> None:
    with contextlib.suppress(BaseException):  # what cannot be imported here says so when a diagnostic runs
        importlib.import_module(name)


def serve(control: socket.socket, children: set[int]) -> None:
    """Answer the parent: `FORK` and a descriptor start a child (returns its pid), `END` ends it (its signal)."""
    later = list(WHEN_IDLE)
    while True:
        while later and not select.select([control], [], [], _IDLE_S)[0]:
            _import(later.pop(0))
            gc.freeze()
        data, descriptors, _, _ = socket.recv_fds(control, FRAME.size, 1)
        if len(data) < FRAME.size:
            return
        kind, number = FRAME.unpack(data)
        if kind == FORK:
            answer = fork(control, descriptors[0])
            if answer != FAILED:
                children.add(answer)
        else:
            answer = end(number) if number in children else 0
            children.discard(number)
        control.sendall(FRAME.pack(kind, answer))


def fork(control: socket.socket, descriptor: int) -> int:
    """Start a child that does one job over the socket, and return its pid (`FAILED` if the machine has no room)."""
    try:
        pid = os.fork()
    except OSError:
        os.close(descriptor)
        return FAILED
    if pid == 0:
        code = 70
        try:
            control.close()
            _child(descriptor)
            code = 0
        finally:
            os._exit(code)  # nothing of the worker's own may run on: no atexit, no finally of its callers
    os.close(descriptor)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    return pid


def _child(descriptor: int) -> None:
    from plumbline.diagnosis import confine, job

    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    confine.die_with_parent()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    with socket.socket(fileno=descriptor) as channel, channel.makefile("rwb") as lines:
        request: dict[str, Any] = json.loads(lines.readline())
        answer = job.run(request)
        lines.write(json.dumps(answer, allow_nan=False).encode() + b"\n")
        lines.flush()


def end(pid: int) -> int:
    """Kill a child with all that it started, and return the signal that ended it first (0: it ended by itself)."""
    _kill(pid)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        time.sleep(0.001)
    return signal.SIGKILL


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
