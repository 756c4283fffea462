"""The lab's two servers: the gateway, and HAProxy where the topology puts one in front."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from plumbline.lab.errors import LabError
from plumbline.lab.fault import Topology
from plumbline.lab.link import Life, Link
from plumbline.lab.logs import tail

START_S = 60.0
"""A server that is not ready after this time will not be, in seconds; a loaded machine may need many of them."""
_PORTS = range(20000, 30000)  # below Linux's and macOS's ephemeral ports, so that no outgoing connection takes them


def free_port() -> int:
    """Return a loopback port that nobody listens on.

    Raises:
        LabError: None was found.
    """
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LabError(f"found no free port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1")


_TRIES = 3
"""A server that was started so often again without ever getting ready never will."""


class Host(Protocol):
    """What a part needs of the lab it belongs to."""

    folder: Path
    link: Link

    def launch(self, name: str, argv: list[str], **recipe: Any) -> int:
        """Start a process under the keeper."""
        ...

    def until(self, done: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
        """Poll until something is true."""
        ...


def toml(settings: Mapping[str, Any]) -> str:
    """Return settings as TOML; JSON's text, numbers and truth values are TOML's too."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def unit(topology: Topology) -> str:
    """Return the gateway's unit as a drop-in file in systemd's syntax."""
    lines = ["[Service]", f"Restart={'always' if topology.supervised else 'no'}"]
    lines.append(f"RestartSec={topology.restart_delay_s}")
    if topology.nofile is not None:
        lines.append(f"LimitNOFILE={topology.nofile}")
    if topology.memory_limit_bytes is not None:
        lines.append(f"MemoryMax={topology.memory_limit_bytes}")
    return "\n".join(lines) + "\n"


class Part:
    """A server of the lab under the keeper: its files, its port, and its life so far.

    Args:
        lab: The lab it belongs to.
        config: Name of its configuration file.
    """

    name: ClassVar[str]

    def __init__(self, lab: Host, config: str) -> None:
        self._lab = lab
        self.port = free_port()
        self.config = lab.folder / config
        self.log = lab.folder / f"{self.name}.log"
        self.pidfile = lab.folder / f"{self.name}.pid"

    @property
    def url(self) -> str:
        """Its WebSocket address."""
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def _life(self) -> Life:
        return self._lab.link.lives.get(self.name, Life())

    @property
    def pid(self) -> int:
        """Process id now; HAProxy's is its master's."""
        return self._life.pid

    @property
    def starts(self) -> int:
        """How often it was started."""
        return self._life.starts

    @property
    def running(self) -> bool:
        """True unless it has died and was not started again."""
        return self._life.pid != 0 and self._life.code is None


class GatewayPart(Part):
    """The gateway process; a restart keeps port, admin socket and files, not the pid."""

    name = "gateway"

    def __init__(self, lab: Host, settings: Mapping[str, Any]) -> None:
        super().__init__(lab, "gateway.toml")
        self._settings = dict(settings)
        self.admin = lab.folder / "admin.sock"
        self.unit = lab.folder / "gateway.service.d"
        self._out = lab.folder / "gateway.out"

    def start(self, *, unit: str, restart_s: float | None, cgroup: tuple[str, str] | None) -> None:
        """Write configuration and unit, start it, and wait until it accepts connections.

        Raises:
            LabError: It ends before that; its last words are in the sentence.
        """
        self.config.write_text(toml(self._settings))
        self.unit.mkdir()
        (self.unit / "10-lab.conf").write_text(unit)
        argv = [sys.executable, "-m", "plumbline.streaming", "--listen", f"127.0.0.1:{self.port}"]
        argv += ["--admin", str(self.admin), "--config", str(self.config)]
        self._lab.launch(
            self.name,
            argv,
            stdout=str(self._out),
            stderr=str(self.log),
            pidfile=str(self.pidfile),
            unit=str(self.unit),
            restart_s=restart_s,
            cgroup=cgroup,
        )
        self._until_ready(1)

    def restart(self, **settings: Any) -> None:
        """Change the configuration file, restart, and wait until it accepts connections again.

        Raises:
            LabError: It does not come back.
        """
        self._settings |= settings
        self.config.write_text(toml(self._settings))
        before = self.starts
        self._lab.link.ask("stop", name=self.name, again=True)
        self._until_ready(before + 1)

    def _until_ready(self, starts: int) -> None:
        self._lab.until(lambda: self._ready(starts), "the gateway accepts connections")

    def _ready(self, starts: int) -> bool:
        life = self._life
        dead = life.code is not None and life.starts >= starts and not life.again
        if life.failure or dead or life.starts >= starts + _TRIES:
            words = life.failure or tail(self.log) or f"exit code {life.code}"
            raise LabError(f"the gateway does not start: {words}")
        if life.starts < starts or life.code is not None:
            return False
        try:
            ready = json.loads(self._out.read_text() or "{}")
        except (OSError, ValueError):  # half a line
            return False
        return bool(ready.get("event") == "ready" and ready.get("pid") == life.pid)


class FrontPart(Part):
    """HAProxy in master-worker mode, as a distribution's service unit runs it."""

    name = "haproxy"

    def __init__(self, lab: Host, text: str) -> None:
        super().__init__(lab, "haproxy.cfg")
        self._text = text

    def start(self) -> None:
        """Write the configuration and start it.

        Raises:
            LabError: It refuses the configuration; its words are in the sentence.
        """
        self.config.write_text(self._text)
        argv = ["haproxy", "-W", "-f", str(self.config)]
        self._lab.launch(self.name, argv, stdout=os.devnull, stderr=str(self.log), pidfile=str(self.pidfile))
        self._lab.until(self._ready, "HAProxy has read its configuration")

    def _ready(self) -> bool:
        if not self.running:
            raise LabError(f"HAProxy does not start: {tail(self.log)}")
        return self._loads() > 0

    def _loads(self) -> int:
        """Count how often a worker was made; the master says so in one stable line."""
        return self.log.read_text(errors="replace").count("Loading success") if self.log.exists() else 0

    def reload(self, text: str | None = None) -> None:
        """Write the configuration, if one is given, and reload it; old workers finish what they have.

        Raises:
            LabError: HAProxy does not take it.
        """
        if text is not None:
            self.config.write_text(text)
        before = self._loads()
        os.kill(self.pid, signal.SIGUSR2)
        self._lab.until(lambda: self._loads() > before or not self.running, "HAProxy has reloaded")
        if not self.running:
            raise LabError(f"HAProxy ended on reload: {tail(self.log)}")
