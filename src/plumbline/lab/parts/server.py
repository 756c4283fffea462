"""Processes of a fault's own: a script of `plumbline.lab.servers`, or any program that listens."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.lab.parts.host import Process, write
from plumbline.lab.parts.part import Built, Part, fill

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder

_LISTEN = "0A"  # state in /proc/PID/net/tcp


@dataclass(frozen=True, slots=True)
class Server(Part):
    """A supervised helper process: a cache, an upstream, a database's stand-in, a victim.

    Args:
        name: Its name; the prefix of its variables.
        script: Module of `plumbline.lab.servers`: `web`, `cache`, `upstream`.
        argv: Else any program; `{port}`, `{folder}`, `{config}` are its own, `{db.url}` is another part's.
        config: What its configuration file (JSON) holds; texts have the same holes. Our scripts read it again when it
            changes.
        nofile: Limit of open files.
        admin: It makes an admin socket at `{admin}` (`…_ADMIN` in the environment).
        restart_s: Pause before it is started again after its death, in seconds; None: never.
    """

    name: str
    script: str | None = None
    argv: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    nofile: int | None = None
    admin: bool = False
    restart_s: float | None = 0.1

    def build(self, host: Builder) -> ServerPart:
        """Return it."""
        return ServerPart(host, self)


class ServerPart(Process, Built):
    """A helper process in a lab."""

    def __init__(self, host: Builder, recipe: Server) -> None:
        super().__init__(host, recipe.name, f"{recipe.name}.json")
        self._host = host
        self._recipe = recipe
        self._values: dict[str, Any] = {}
        self.admin = host.folder / f"{recipe.name}.sock" if recipe.admin else None

    def _argv(self) -> list[str]:
        recipe = self._recipe
        if recipe.script is not None:
            return [sys.executable, "-m", f"plumbline.lab.servers.{recipe.script}", str(self.port), str(self.config)]
        filled: list[str] = fill(recipe.argv, self._host, self._own())
        return filled

    def _own(self) -> dict[str, str]:
        own = {"port": str(self.port), "folder": str(self._lab.folder), "config": str(self.config), "name": self.name}
        return own | ({"admin": str(self.admin)} if self.admin else {})

    def start(self) -> None:
        """Write its configuration, start it, and wait until it listens.

        Raises:
            LabError: It ends before that.
        """
        self._values = fill(self._recipe.config, self._host, self._own())
        write(self.config, json.dumps(self._values))
        unit = self._lab.folder / f"{self.name}.service.d"
        unit.mkdir()
        if self._recipe.nofile is not None:
            (unit / "10-lab.conf").write_text(f"[Service]\nLimitNOFILE={self._recipe.nofile}\n")
        self._lab.launch(
            self.name,
            self._argv(),
            stdout=str(self._lab.folder / f"{self.name}.out"),
            stderr=str(self.log),
            pidfile=str(self.pidfile),
            unit=str(unit),
            restart_s=self._recipe.restart_s,
            **self._lab.groups_of(self.name),
        )
        self._until_ready(1)

    def restart(self) -> None:
        """Restart it, and wait until it listens again.

        Raises:
            LabError: It does not come back.
        """
        before = self.starts
        self._lab.link.ask("stop", name=self.name, again=True)
        self._until_ready(before + 1)

    def tell(self, **values: Any) -> None:
        """Change its configuration file; our scripts read it at the next request."""
        self._values |= values
        write(self.config, json.dumps(self._values))

    def environment(self) -> dict[str, str]:
        """The variables of the fences, by the part's name."""
        word = self.name.upper().replace("-", "_")
        return super().environment() | ({f"{word}_ADMIN": str(self.admin)} if self.admin else {})

    def _until_ready(self, starts: int) -> None:
        self._lab.until(lambda: self.started(starts) and listens(self.pid, self.port), f"'{self.name}' listens")


def listens(pid: int, port: int) -> bool:
    """Tell whether somebody listens on a TCP port in the network namespace of a process."""
    tables = [Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6")]
    if not any(table.exists() for table in tables):  # not Linux: one namespace for all
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    ending = f":{port:04X}"
    for table in tables:
        rows = table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []
        if any(words[1].endswith(ending) and words[3] == _LISTEN for words in map(str.split, rows)):
            return True
    return False
