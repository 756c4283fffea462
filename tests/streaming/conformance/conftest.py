"""A client of plain bytes, and a bystander that every test has: what a bad client does is felt by nobody else."""

import base64
import contextlib
import json
import os
import socket
import struct
import time
from urllib.parse import urlsplit

import jwt
import pytest
import uvloop
from websockets.sync.client import connect

from ..conftest import PATIENCE_S, Running, wait_until  # noqa: TID252 - tests are no installed package

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
SECRET = b"a secret for these tests only, and of 32 bytes"
LIMIT = 70_000  # bytes of a message: more than 65,536, so that every form of length is allowed
QUICK = {
    "max_message_bytes": LIMIT,
    "close_timeout_s": 0.1,
    "heartbeat_interval_s": 0,
    "commands_per_s": 0,
    "bytes_per_s": 0,
    "frames_per_s": 0,
}


def pytest_configure(config):
    config.addinivalue_line("markers", "must(section, sentence): what RFC 6455 wants and this test covers")
    config.addinivalue_line("markers", "with_settings(values): run a gateway of the test's own with these settings")


@pytest.fixture(scope="package")
def shared():
    """Run one gateway for all tests that need no settings of their own."""
    running = Running(uvloop.new_event_loop, settings=QUICK)
    yield running
    running.stop()


class Bystander:
    """Reads a channel of its own while others misbehave, and must get every message in order."""

    def __init__(self, gateway, link):
        self.gateway = gateway
        self.channel = f"bystander-{base64.b16encode(os.urandom(6)).decode()}"
        self.link = link
        self.link.send(json.dumps({"id": 1, "subscribe": self.channel}))
        assert json.loads(self.link.recv(timeout=PATIENCE_S))["ok"]
        self.sent = 0

    def hears(self, count=3):
        """Publish some more, and see that they all come, in order."""
        for _ in range(count):
            self.gateway.publish(self.channel, self.sent)
            self.sent += 1
            got = json.loads(self.link.recv(timeout=PATIENCE_S))
            assert (got["offset"], got["data"]) == (self.sent, self.sent - 1)


@pytest.fixture
def gateway(request, tmp_path, shared):
    """Return the shared gateway, or one with the settings of the test's `with_settings` marker."""
    mark = request.node.get_closest_marker("with_settings")
    if mark is None:
        yield shared
        return
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    own = {key: str(path) if value == "SECRET" else value for key, value in mark.args[0].items()}
    running = Running(uvloop.new_event_loop, settings=own)
    yield running
    running.stop()


def signed(**claims):
    said = {"sub": "ada", "exp": time.time() + 3600, "channels": {"subscribe": ["a"], "publish": ["a"]}, **claims}
    return jwt.encode(said, SECRET, algorithm="HS256")


@pytest.fixture(autouse=True)
def bystander(gateway):
    """Have another client on the gateway, from before the test to after it; where tokens are asked for, it has one."""
    token = {"Authorization": f"Bearer {signed(channels={'subscribe': ['bystander-*']})}"}
    more = token if gateway.gateway.settings.token_keys else {}
    with connect(gateway.url, compression=None, proxy=None, additional_headers=more) as link:
        other = Bystander(gateway, link)
        other.hears()
        yield other
        other.hears()


class Wire:
    """One TCP connection; sends exactly what it is told."""

    def __init__(self, url):
        where = urlsplit(url)
        self.host = where.netloc
        self.sock = socket.create_connection((where.hostname, where.port), timeout=PATIENCE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def request(self, *, line="GET / HTTP/1.1", host=True, **headers):
        """Return the bytes of a handshake; a header given as None is left out, a list is sent several times."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        all_headers = {**HEADERS, **named}
        lines = [line, *([f"Host: {self.host}"] if host else [])]
        for name, value in all_headers.items():
            lines += [f"{name}: {one}" for one in (value if isinstance(value, list) else [value]) if one is not None]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def answer(self):
        """Return status and headers (by lower-case name) of the answer; status None if there is none."""
        try:
            line = self.file.readline()
        except ConnectionResetError:
            line = b""
        if not line:
            return None, {}
        headers = {}
        while (field := self.file.readline().strip()) != b"":
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(line.split()[1]), headers

    def handshake(self, **headers):
        self.sock.sendall(self.request(**headers))
        return self.answer()

    def open(self, **headers):
        status, _ = self.handshake(**headers)
        assert status == 101
        return self

    def send(self, data):
        self.sock.sendall(data)

    def frame(self, opcode, payload=b"", **options):
        self.send(frame(opcode, payload, **options))

    def say(self, **request):
        self.frame(TEXT, json.dumps(request).encode())

    def read_raw(self):
        """Return first byte, second byte and payload of the next frame; None at the end of the stream."""
        try:
            head = self.file.read(2)
            if len(head) < 2:
                return None
            size, wide = head[1] & 0x7F, {126: 2, 127: 8}.get(head[1] & 0x7F, 0)
            if wide:
                size = int.from_bytes(self.file.read(wide), "big")
            return head[0], head[1], self.file.read(size)
        except ConnectionResetError:
            return None

    def read(self):
        got = self.read_raw()
        return got and (got[0] & 0xF, got[2])

    def read_json(self):
        opcode, payload = self.read()
        assert opcode == TEXT
        return json.loads(payload)

    def closed_with(self):
        """Read to the end of the stream, and return the close frame's code; None if there was none."""
        code = None
        while (got := self.read()) is not None:
            assert code is None, "something came after the close frame"
            if got[0] == CLOSE:
                code = struct.unpack("!H", got[1][:2])[0] if got[1] else 1005
        return code

    def close(self):
        self.file.close()
        self.sock.close()


def close_code_of(wire):
    """Return the code of the close frame, wherever in the stream it stands; None if the reset swallowed it."""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while (got := wire.read()) is not None:
            if got[0] == CLOSE:
                return struct.unpack("!H", got[1][:2])[0]
    return None


def masked(payload, mask):
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d", length=None, form=None):
    """Return the bytes of a frame.

    `mask` None: not masked; `length` what the header says of it; `form` 0, 2 or 8: bytes that the length is written in.
    """
    size = len(payload) if length is None else length
    form = (0 if size < 126 else 2 if size < 65536 else 8) if form is None else form
    bit = 0 if mask is None else 0x80
    small = size if form == 0 else 126 if form == 2 else 127
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode, bit | small)) + (
        size.to_bytes(form, "big") if form else b""
    )
    return head + (payload if mask is None else mask + masked(payload, mask))


@pytest.fixture
def dial(gateway):
    """Return a function that connects to the gateway; it is closed after the test."""
    wires = []

    def begin(to=None):
        wires.append(Wire((to or gateway).url))
        return wires[-1]

    yield begin
    for wire in wires:
        wire.close()


@pytest.fixture
def wire(dial):
    """Return an open WebSocket of plain bytes."""
    return dial().open()


@pytest.fixture
def counted(gateway):
    """Return a function that waits until this many more connections ended for this reason."""
    before = dict(gateway.stats["closes"])

    def wait(reason, count=1):
        wait_until(lambda: gateway.stats["closes"].get(reason, 0) - before.get(reason, 0) >= count, f"{count} {reason}")

    return wait


@pytest.fixture
def metrics(gateway):
    """Return a function that reads one Prometheus sample of the gateway, 0 if it is not there."""
    import urllib.request

    def read(name, **labels):
        wanted = name + ("{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else "")
        with urllib.request.urlopen(gateway.gateway.metrics_url, timeout=PATIENCE_S) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(wanted + " "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    return read
