"""A real gateway in a thread, a raw client that can misbehave, and a way to wait without guessing how long."""

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
import uvloop
from websockets.sync.client import connect

from plumbline.streaming import Gateway, Settings
from plumbline.streaming.probes.adminclient import ask

pytest.register_assert_rewrite("contracts.broker", "contracts.recovery")
PATIENCE_S = 20  # how long a test waits for what must happen; never a measure of speed


def wait_until(true, what="it"):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.005)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


@pytest.fixture
def until():
    """Return a function that waits until something is true, and returns it."""
    return wait_until


class Running:
    """A gateway in its own thread and event loop."""

    def __init__(self, loop_factory, **options):
        settings = Settings(**options.pop("settings", {}))
        self.gateway = Gateway(settings, **options)
        self._ready = threading.Event()
        self._failed = None
        self._thread = threading.Thread(target=self._run, args=(loop_factory,))
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        if self._failed:
            self._thread.join()
            raise self._failed

    def _run(self, loop_factory):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(self._main())

    async def _main(self):
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        try:
            await self.gateway.start()
        except OSError as error:
            self._failed = error
            return
        finally:
            self._ready.set()
        await self._told.wait()
        await self.gateway.stop()

    def stop(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._told.set)
            self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)

    def call(self, function, *args):
        async def inside():
            return function(*args)

        return self.do(inside())

    @property
    def url(self):
        return self.gateway.url

    @property
    def stats(self):
        return self.call(self.gateway.stats)

    @property
    def queues(self):
        return self.call(self.gateway.queues)

    @property
    def recent(self):
        return self.call(self.gateway.closes)["recent"]

    def set(self, **values):
        return self.call(self.gateway.configure, values)

    def publish(self, channel, data):
        return self.do(self.gateway.publish(channel, data))


class Raw:
    """A WebSocket client that sends what it is told, reads only when it is told, and has small buffers."""

    def __init__(self, url, *, receive_buffer=None, headers=""):
        where = urlsplit(url)
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect((where.hostname, where.port))
        self.sock.sendall(
            f"GET / HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        self.file = self.sock.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    def frame(self, opcode, payload=b"", *, fin=True, reserved=0, masked=True, length=None):
        size = len(payload) if length is None else length
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        bit = 0x80 if masked else 0
        if size < 126:
            head = bytes((first, bit | size))
        elif size < 65536:
            head = bytes((first, bit | 126)) + struct.pack("!H", size)
        else:
            head = bytes((first, bit | 127)) + struct.pack("!Q", size)
        self.sock.sendall(head + (bytes(4) if masked else b"") + payload)  # a mask of zeros changes nothing

    def say(self, **request):
        self.frame(1, json.dumps(request).encode())

    def read(self):
        """Return opcode and payload of the next frame, or None at the end of the stream."""
        try:
            head = self.file.read(2)
            if len(head) < 2:
                return None
            size = head[1]
            if size == 126:
                size = struct.unpack("!H", self.file.read(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self.file.read(8))[0]
            return head[0] & 0xF, self.file.read(size)
        except ConnectionResetError:
            return None

    def read_json(self):
        opcode, payload = self.read()
        assert opcode == 1
        return json.loads(payload)

    def read_close(self):
        """Read on to the close frame and return its code and reason."""
        while (frame := self.read()) is not None:
            if frame[0] == 8:
                return struct.unpack("!H", frame[1][:2])[0], frame[1][2:].decode()
        return None

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_factory(request):
    return uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop


@pytest.fixture
def start():
    """Return a function that starts a gateway on uvloop with these settings; it is stopped after the test."""
    running = []

    def begin(*, loop_factory=uvloop.new_event_loop, **options):
        one = Running(loop_factory, **options)
        running.append(one)
        return one

    yield begin
    for one in running:
        one.stop()


@pytest.fixture
def raw():
    """Return a function that opens a raw client; it is closed after the test."""
    opened = []

    def begin(gateway, **options):
        client = Raw(gateway.url, **options)
        opened.append(client)
        return client

    yield begin
    for client in opened:
        client.close()


class Client:
    """A client of the `websockets` library that waits with patience."""

    def __init__(self, url, stack, **options):
        self.link = stack.enter_context(connect(url, compression=None, proxy=None, **options))

    def send(self, **request):
        self.link.send(json.dumps(request))

    def read(self):
        return json.loads(self.link.recv(timeout=PATIENCE_S))

    def ask(self, **request):
        """Send one request and return its answer; nothing else may arrive meanwhile."""
        self.send(**request)
        return self.read()


@pytest.fixture
def client():
    """Return a function that opens a client of the `websockets` library; it is closed after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda gateway, **options: Client(gateway.url, stack, **options)


class Process:
    """`python -m plumbline.streaming` as a child; its log is a file."""

    def __init__(self, folder, *words, **options):
        self.log_path = folder / "gateway.log"
        command = [sys.executable, "-m", "plumbline.streaming", "--listen", "127.0.0.1:0", *words]
        self.admin = folder / "admin.sock"
        with self.log_path.open("wb") as log:
            self.child = subprocess.Popen(
                [*command, "--admin", str(self.admin)], stdout=subprocess.PIPE, stderr=log, text=True, **options
            )
        line = self.child.stdout.readline()
        assert line, self.log
        self.ready = json.loads(line)
        self.url = self.ready["url"]

    @property
    def log(self):
        return self.log_path.read_text()

    def ask(self, **request):
        return ask(self.admin, request)

    def stop(self):
        self.child.terminate()
        code = self.child.wait(PATIENCE_S)
        self.child.stdout.close()
        return code


@pytest.fixture
def process(tmp_path):
    """Return a function that starts a gateway as a process; it is stopped after the test."""
    started = []

    def begin(*words, **options):
        one = Process(tmp_path, *words, **options)
        started.append(one)
        return one

    yield begin
    for one in started:
        if one.child.poll() is None:
            one.stop()
