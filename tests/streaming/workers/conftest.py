"""A supervisor as a process, with its workers."""

import contextlib
import json
import subprocess
import sys
import time

import pytest
from websockets.sync.client import connect

from plumbline.streaming.probes.adminclient import AdminError, ask

PATIENCE_S = 30  # how long a test waits for what must happen; never a measure of speed


def wait_until(true, what="it"):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


class Fleet:
    """`python -m plumbline.streaming --workers …` as a child."""

    def __init__(self, folder, *words, settings=(), **options):
        self.admin = folder / "admin.sock"
        self.log_path = folder / "gateway.log"
        self.stack = contextlib.ExitStack()
        command = [sys.executable, "-m", "plumbline.streaming", "--listen", "127.0.0.1:0", "--admin", str(self.admin)]
        settings = ("close_timeout_s=0.5", *settings)
        command += [word for pair in settings for word in ("--set", pair)]
        with self.log_path.open("wb") as log:
            self.child = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=log, text=True, **options)
        line = self.child.stdout.readline()
        self.ready = json.loads(line) if line else None
        self.url = self.ready["url"] if line else None

    @property
    def log(self):
        return self.log_path.read_text()

    def ask(self, _patience_s=60, **request):
        return ask(self.admin, request, _patience_s)

    def rows(self):
        return self.ask(get="workers")["workers"]

    def pids(self):
        return [row["pid"] for row in self.rows() if row["state"] == "ready"]

    def settled(self, count):
        """Wait until exactly so many workers are ready and no other is there; return their rows."""

        def rows():
            with contextlib.suppress(AdminError):
                found = self.rows()
                return found if [row["state"] for row in found] == ["ready"] * count else None

        return wait_until(rows, f"{count} ready workers")

    def connect(self, count=1, **options):
        return [
            self.stack.enter_context(connect(self.url, compression=None, proxy=None, **options)) for _ in range(count)
        ]

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
        code = self.child.wait(PATIENCE_S)
        self.child.stdout.close()
        self.stack.close()
        return code


@pytest.fixture
def fleet(tmp_path):
    """Return a function that starts a supervisor with its workers; it is stopped after the test."""
    started = []

    def begin(*words, **options):
        folder = tmp_path / str(len(started))
        folder.mkdir(exist_ok=True)
        one = Fleet(folder, *words, **options)
        started.append(one)
        return one

    yield begin
    for one in started:
        one.stop()


@pytest.fixture
def until():
    """Return a function that waits until something is true, and returns it."""
    return wait_until
