"""What stands before two model servers and sends requests to one: HAProxy and nginx, each switched its own way."""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from peering import MissingPeerError

from plumbline.deployment.core.errors import UnavailableError
from plumbline.deployment.lanes.frontdoor import Address, FrontDoor, configuration
from plumbline.deployment.lanes.groups import Launch, Processes
from plumbline.deployment.lanes.haproxy import Proxy
from plumbline.deployment.lanes.runtime import RuntimeLane
from plumbline.deployment.serving.options import Options

PATIENCE_S = 30.0
AGAIN_S = 2.0  # HAProxy's master forgets a signal that comes just after its start
HAPROXY = """\
global
    stats socket {folder}/reload.sock mode 600 level admin expose-fd listeners
    maxconn 4000
defaults
    mode http
    retries 0
    timeout connect 2s
    timeout client 60s
    timeout server 60s
frontend callers
    bind 127.0.0.1:{port}
    default_backend model
backend model
    server only 127.0.0.1:{to}
"""
NGINX = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    upstream model {{ server 127.0.0.1:{to}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://model;
            proxy_http_version 1.1;
            proxy_set_header connection "";
            proxy_next_upstream off;
        }}
    }}
}}
"""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has at the moment."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


def version_at(port: int, path: str, body: bytes) -> str | None:
    """Return who answers a request on a new connection; None if nobody does."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("POST", path, body)
        answer = link.getresponse()
        answer.read()
        return answer.headers["x-model-version"] if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        link.close()


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something.

    Raises:
        TimeoutError: It did not become true in time.
    """
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(0.002)


class Reloaded:
    """A proxy that is given another configuration, and told to read it.

    Args:
        folder: For its files.
        kind: `haproxy` or `nginx`.
        ports: Of the two servers, by the label with which they answer.
        probe: Path and body of a request that tells who answers.
    """

    def __init__(self, folder: Path, kind: str, ports: dict[str, int], probe: tuple[str, bytes]) -> None:
        program = shutil.which(kind)
        if program is None:
            raise MissingPeerError("it is not installed")
        self._folder, self._kind, self._ports, self._probe = folder, kind, ports, probe
        self._file = folder / f"{kind}.cfg"
        (self.port,) = free_ports(1)
        self._write(next(iter(ports)))
        words = ["-W", "-f"] if kind == "haproxy" else ["-p", str(folder), "-c"]
        self._log = (folder / f"{kind}.log").open("w")
        self._child = subprocess.Popen([program, *words, str(self._file)], stderr=self._log)
        until(lambda: version_at(self.port, *probe) is not None, kind)

    def _write(self, label: str) -> None:
        text = HAPROXY if self._kind == "haproxy" else NGINX
        filled = text.format(folder=self._folder, port=self.port, to=self._ports[label])
        self._file.write_text(filled, encoding="utf-8")

    def switch(self, label: str) -> None:
        """Reload, and return when a new connection meets the new version: kinder than the command's own end."""
        self._write(label)
        told = self._tell()

        def there() -> bool:
            nonlocal told
            if time.monotonic() - told > AGAIN_S:
                told = self._tell()
            return version_at(self.port, *self._probe) == label

        until(there, f"{self._kind} to switch")

    def _tell(self) -> float:
        name = signal.SIGUSR2 if self._kind == "haproxy" else signal.SIGHUP
        self._child.send_signal(name)
        return time.monotonic()

    def stop(self) -> None:
        """End it."""
        self._child.terminate()
        self._child.wait(PATIENCE_S)
        self._log.close()


@contextmanager
def runtime_lane(folder: Path, options: dict[str, Options]) -> Iterator[tuple[RuntimeLane, int]]:
    """Run HAProxy before two groups of one server each; `options` say how to serve a digest. Gives lane and port.

    Raises:
        MissingPeerError: HAProxy is not installed.
    """
    program = shutil.which("haproxy")
    if program is None:
        raise MissingPeerError("haproxy is not installed")
    port, blue, green = free_ports(3)
    (folder / "lane").mkdir(parents=True)
    state = folder / "lane" / "servers.state"
    state.write_text("1\n", encoding="utf-8")
    addresses = {"blue": [Address("127.0.0.1", blue)], "green": [Address("127.0.0.1", green)]}
    door = FrontDoor(Address("127.0.0.1", port), str(folder / "proxy.sock"), str(state))
    (folder / "haproxy.cfg").write_text(configuration(door, addresses), encoding="utf-8")

    def launch(digest: str, address: Address) -> Launch:
        settings = asdict(options[digest]) | {"port": address.port}
        return Launch([sys.executable, "-m", "plumbline.deployment.serving", json.dumps(settings)])

    child = subprocess.Popen([program, "-db", "-f", str(folder / "haproxy.cfg")], stderr=subprocess.DEVNULL)
    proxy = Proxy(folder / "proxy.sock")
    groups = [Processes(name, folder / "groups", where, launch) for name, where in addresses.items()]

    def answers() -> bool:
        try:
            return bool(proxy.ask("show info"))
        except UnavailableError:
            return False

    try:
        until(answers, "HAProxy")
        yield RuntimeLane(proxy, groups, folder / "lane"), port
    finally:
        for group in groups:
            group.stop()
        child.kill()
        child.wait()
