"""What the calculator of the capacity page counts with: the gateway's cost of one of each, by hand and one at a time.

    python benchmarks/streaming/sizing.py [--quick]

Plain blocking sockets, so that the server does one thing in each step: handshakes, first and further subscriptions,
heartbeats, publications without readers, deliveries of small and of large messages; then the same under TLS 1.3 with
an ECDSA P-256 certificate. CPU is that of the server's process (schedstat), memory its resident pages and the
kernel's slab. Bounds: 5,000 connections, about a minute.
"""

import json
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import common
import costs
import peers
import psutil
import trustme

from plumbline.streaming.probes.adminclient import ask

HELLO = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SMALL, LARGE = 128, 32_768
# Rates are for clients that misbehave; this one only hurries.
CALM = ["heartbeat_interval_s=0", "commands_per_s=0", "bytes_per_s=0", "frames_per_s=0", "publishes_per_s=0"]


class Link:
    """One WebSocket, as plain as can be."""

    def __init__(self, server: "Measured") -> None:
        where = urlsplit(server.url)
        self.sock = socket.create_connection((where.hostname, where.port), timeout=30)
        if server.trust is not None:
            self.sock = server.trust.wrap_socket(self.sock, server_hostname="localhost")
        self.sock.sendall(HELLO.format(host=where.netloc).encode())
        self.kept = b""
        while b"\r\n\r\n" not in self.kept:
            self.kept += self.sock.recv(4096)
        self.kept = self.kept.partition(b"\r\n\r\n")[2]

    def say(self, **command: Any) -> None:
        """Send one command."""
        text = json.dumps(command).encode()
        size = bytes((0x80 | len(text),)) if len(text) < 126 else b"\xfe" + struct.pack("!H", len(text))
        self.sock.sendall(b"\x81" + size + bytes(4) + text)  # a mask of zeros changes nothing

    def _take(self, count: int) -> bytes:
        while len(self.kept) < count:
            self.kept += self.sock.recv(65536)
        taken, self.kept = self.kept[:count], self.kept[count:]
        return taken

    def read(self) -> int:
        """Read one frame and return its bytes on the wire; a ping is answered."""
        kind, size = self._take(2)
        head = 2
        if size == 126:
            [size], head = struct.unpack("!H", self._take(2)), 4
        self._take(size)
        if kind & 0xF == 9:
            self.sock.sendall(b"\x8a\x80" + bytes(4))
        return head + size


@dataclass
class Measured:
    """A gateway and what it has used so far."""

    url: str
    pid: int
    admin: Path
    trust: ssl.SSLContext | None = None
    links: list[Link] = field(default_factory=list)

    @property
    def resident(self) -> int:
        """Resident bytes."""
        return costs.resident(costs.tree(self.pid))

    @contextmanager
    def spent(self, into: dict[str, float], name: str, times: int) -> Iterator[None]:
        """Note the CPU that one of `times` took, in microseconds."""
        before = costs.cpu_us(costs.tree(self.pid))
        yield
        time.sleep(0.2)  # what the server does after the last answer
        into[name] = round((costs.cpu_us(costs.tree(self.pid)) - before) / times, 2)


def connections(server: Measured, count: int) -> dict[str, float]:
    """Open connections, then subscribe each of them, and later to more."""
    found: dict[str, float] = {}
    resident, slab = server.resident, costs.slab()
    with server.spent(found, "handshake_us", count):
        server.links = [Link(server) for _ in range(count)]
    with server.spent(found, "subscribe_us", count):
        for number, link in enumerate(server.links):
            link.say(id=1, subscribe=f"c{number // 10}")
            link.read()
    found["connection_bytes"] = round((server.resident - resident) / count)
    found["socket_slab_bytes"] = round((costs.slab() - slab) / 2 / count)  # both ends are here
    resident = server.resident
    for number, link in enumerate(server.links):
        for more in range(1, 11):
            link.say(id=1, subscribe=f"c{(number + more * 17) % count // 10}.{more}")
            link.read()
    found["subscription_bytes"] = round((server.resident - resident) / count / 10)
    return found


def heartbeats(server: Measured) -> dict[str, float]:
    """Let everybody be pinged twice."""
    found: dict[str, float] = {}
    ask(server.admin, {"set": {"heartbeat_interval_s": 2, "heartbeat_timeout_s": 600}})
    with server.spent(found, "ping_us", 2 * len(server.links)):
        for link in server.links * 2:
            link.read()
    ask(server.admin, {"set": {"heartbeat_interval_s": 0}})
    for link in server.links:  # a third one may be on its way
        link.sock.setblocking(False)
        with suppress(BlockingIOError, ssl.SSLWantReadError):
            link.read()
        link.sock.settimeout(30)
    return found


def messages(server: Measured, readers: int, rounds: int) -> dict[str, float]:
    """Publish without readers; then small and large messages to many, each when the one before has arrived."""
    found: dict[str, float] = {}
    publisher, *links = server.links[: readers + 1]
    with server.spent(found, "publish_us", rounds * 50):
        for _ in range(rounds * 50):
            publisher.say(id=1, publish="nobody", data="x" * (SMALL - 2))
            publisher.read()
    for link in links:
        link.say(id=1, subscribe="all")
        link.read()
    used = {SMALL: 0.0, LARGE: 0.0}
    for _ in range(rounds):  # in turn, so that both meet the same neighbours
        for size in used:
            used[size] -= costs.cpu_us(costs.tree(server.pid))
            publisher.say(id=1, publish="all", data="x" * (size - 2))
            publisher.read()
            arrived = [link.read() for link in links]
            used[size] += costs.cpu_us(costs.tree(server.pid))
            if size == SMALL:
                found["envelope_bytes"] = arrived[0] - SMALL
    each = {size: cpu / rounds / len(links) for size, cpu in used.items()}
    found["delivery_us"] = round(each[SMALL] - found["publish_us"] / len(links), 2)
    found["byte_ns"] = round((each[LARGE] - each[SMALL]) / (LARGE - SMALL) * 1000, 3)
    return found


def certificate(folder: Path) -> tuple[list[str], ssl.SSLContext]:
    """Return the gateway's settings for TLS, and a context that trusts it."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.ECDSA)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=number > 0)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return [f"tls_cert={folder / 'cert.pem'}", f"tls_key={folder / 'key.pem'}"], trust


def measure(count: int, readers: int, rounds: int, *, tls: bool) -> dict[str, float]:
    """Measure one gateway."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        extra, trust = certificate(folder) if tls else ([], None)
        words = [word for text in (*CALM, *extra) for word in ("--set", text)]
        one = stack.enter_context(peers.plumbline(*words))
        server = Measured(one.url, one.pid, Path(one.admins[0]), trust)
        process = psutil.Process(one.pid)
        found: dict[str, float] = {"base_bytes": server.resident, "base_descriptors": process.num_fds()}
        found |= connections(server, count) | heartbeats(server) | messages(server, readers, rounds)
        for link in server.links:
            link.sock.close()
    return found


def supervisor(count: int) -> dict[str, float]:
    """Return what stands between two workers and their clients: memory, and CPU for each message that it relays."""
    with peers.plumbline("--workers", "2") as one:
        resident = costs.resident([one.pid])
    command = [sys.executable, str(common.HERE / "relay.py"), "--workers", "2", "--messages", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cells = [cell.strip() for cell in done.stdout.splitlines()[-1].split("|")]
    return {"supervisor_bytes": resident, "relay_us": float(cells[3]), "relayed_us": float(cells[6])}


def main() -> None:
    """Measure without TLS, with it, and the supervisor."""
    given = common.arguments(__doc__)
    started = time.time()
    count, readers, rounds = (60, 20, 3) if given.quick else (5000, 4900, 20)
    results = {
        "plain": measure(count, readers, rounds, tls=False),
        "tls": measure(count, readers, rounds, tls=True),
        "workers": supervisor(1000 if given.quick else 20_000),
    }
    bounds = {"connections": count, "readers": readers, "small_bytes": SMALL, "large_bytes": LARGE}
    common.save("sizing", given.quick, started, results, bounds=bounds)
    rows = [[name, results["plain"][name], results["tls"][name]] for name in results["plain"]]
    common.table(["", "plain", "TLS"], rows)


if __name__ == "__main__":
    main()
