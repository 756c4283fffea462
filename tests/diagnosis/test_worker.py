"""The worker imports while nobody asks, and answers who does."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from plumbline.diagnosis import worker

PATIENCE_S = 20


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The parent's end of a worker's socket, its loop in a thread; what it may import is `colorsys`."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    monkeypatch.setattr(worker, "WHEN_IDLE", ("no_such_library", "colorsys"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE_S)
        thread = threading.Thread(target=worker.serve, args=(theirs, set()))
        thread.start()
        yield ours
        ours.shutdown(socket.SHUT_WR)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def asked(link: socket.socket) -> int:
    """End a child that there is not; return the answer."""
    link.sendall(worker.FRAME.pack(worker.END, 1))
    (number,) = struct.unpack("!4xI", link.recv(worker.FRAME.size))
    return int(number)


def test_it_imports_what_is_there_while_nobody_asks(served: socket.socket):
    deadline = time.monotonic() + PATIENCE_S
    while "colorsys" not in sys.modules:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert asked(served) == 0


def test_who_asks_is_answered(served: socket.socket):
    assert [asked(served) for _ in range(3)] == [0, 0, 0]


def test_none_of_the_libraries_begins_a_thread():
    """A process with threads may not fork; in a process of its own, since this one has other tests' threads."""
    imports = "; ".join(f"import {name}" for name in ("os", *worker.WHEN_IDLE))
    code = f"{imports}; print(len(os.listdir('/proc/self/task')))"
    if not sys.platform.startswith("linux"):
        pytest.skip("threads are counted as Linux counts them")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"
