"""A supervisor as a process, with its workers."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from plumbline.cli.main import main
from plumbline.lab.parts.ports import free_port
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
        settings = ("close_timeout_s=0.5", "drain_s=0.2", *settings)
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


class Reader(threading.Thread):
    """A client that reads one channel, comes back when it is cut off, and recovers from where it was."""

    def __init__(self, url, goal, channel="a"):
        super().__init__(daemon=True)
        self.url, self.goal, self.channel = url, goal, channel
        self.data, self.ends, self.recovered = [], [], []
        self.position, self.link = None, None
        self.subscribed = threading.Event()
        self.start()

    def stop(self):
        """Want nothing more."""
        self.goal = 0
        if self.link is not None:
            self.link.close()
        self.join(PATIENCE_S)

    def run(self):
        while len(self.data) < self.goal:
            try:
                with connect(self.url, compression=None, proxy=None) as self.link:
                    self._read(self.link)
            except ConnectionClosed as closed:
                self.ends.append(closed.rcvd.code if closed.rcvd else None)
            except (WebSocketException, OSError) as failed:  # refused, reset, no handshake
                self.ends.append(repr(failed))

    def _read(self, link):
        request = {"id": 1, "subscribe": self.channel}
        if self.position:
            request["since"] = self.position
        link.send(json.dumps(request))
        while len(self.data) < self.goal:
            told = json.loads(link.recv(timeout=PATIENCE_S))
            if "ok" in told:
                if "recovered" in told:
                    self.recovered.append(told["recovered"])
                if self.position is None or not told.get("recovered"):
                    self.position = {"epoch": told["epoch"], "offset": told["offset"]}
                self.subscribed.set()
            elif "channel" in told:
                self.position["offset"] = told["offset"]
                self.data.append(told["data"])


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


@pytest.fixture
def reader():
    """Return a function that starts a client which reads one channel and comes back when it is cut off."""
    started = []

    def begin(url, goal, **options):
        started.append(Reader(url, goal, **options))
        return started[-1]

    yield begin
    for one in started:
        one.stop()


class Gateway:
    """One gateway process."""

    def __init__(self, folder, name):
        self.admin, self.log_path = folder / f"{name}.sock", folder / f"{name}.log"
        self.address = "127.0.0.1:0"
        self.start()

    @property
    def command(self):
        words = [sys.executable, "-m", "plumbline.streaming", "--listen", self.address]
        return [*words, "--admin", str(self.admin), "--set", "drain_s=0.5"]

    def start(self):
        with self.log_path.open("ab") as log:
            self.child = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log, text=True)
        self.address = json.loads(self.child.stdout.readline())["url"].removeprefix("ws://").strip("/")

    @property
    def connections(self):
        return ask(self.admin, {"get": "stats"})["connections"]

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
        self.child.wait(PATIENCE_S)
        self.child.stdout.close()


class Front:
    """HAProxy with the configuration that the command writes."""

    def __init__(self, folder, gateways):
        self.runtime, self.config = folder / "haproxy.sock", folder / "haproxy.cfg"
        while not self._start(gateways):  # somebody else took the port
            pass

    def _start(self, gateways):
        self.port = free_port()
        words = [word for gateway in gateways for word in ("--backend", gateway.address)]
        words += ["--bind", f"127.0.0.1:{self.port}", "--stats-socket", str(self.runtime), "--max-connections", "500"]
        done = CliRunner().invoke(main, ["gateway", "haproxy-config", *words])
        assert done.exit_code == 0, done.output
        self.config.write_text(done.output)
        self.child = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(self.config)])
        self.url = f"ws://127.0.0.1:{self.port}/"
        wait_until(lambda: self.child.poll() is not None or self._answers())
        return self.child.poll() is None

    def _answers(self):
        with contextlib.suppress(OSError):
            return "gateways" in self.say("show stat")

    def say(self, command):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PATIENCE_S)
            link.connect(str(self.runtime))
            link.sendall(command.encode() + b"\n")
            with link.makefile() as answer:
                return answer.read()

    def states(self):
        """Return what HAProxy holds of each gateway: UP, DOWN, DRAIN."""
        rows = [line.split(",") for line in self.say("show stat").splitlines() if line.startswith("gateways,g")]
        return {row[1]: row[17].split(" ")[0] for row in rows}

    def stop(self):
        self.child.terminate()
        self.child.wait(PATIENCE_S)


@pytest.fixture
def front(tmp_path, until):
    """Return HAProxy and the two gateways behind it, all of them up."""
    gateways = [Gateway(tmp_path, name) for name in ("a", "b")]
    one = Front(tmp_path, gateways)
    until(lambda: one.runtime.exists() and one.states() == {"g1": "UP", "g2": "UP"}, "both gateways up")
    yield one, gateways
    one.stop()
    for gateway in gateways:
        gateway.stop()
