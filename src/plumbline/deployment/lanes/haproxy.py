"""HAProxy's Runtime API, typed: server states, weights, sessions; an answer that is an error is raised."""

from __future__ import annotations

import csv
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

from plumbline.deployment.core.errors import InvalidError, UnavailableError

State = Literal["ready", "drain", "maint"]
WEIGHT_LIMIT = 256
"""The largest weight of a server (HAProxy management guide, `set server … weight`)."""

_DRAIN, _MAINT = 0x18, 0x63
"""Bits of `srv_admin_state`: asked for, or inherited from another server, an address or a name."""
_RUNNING = 2
_HEADER = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight"
_ANSWER_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True)
class Server:
    """One server line of a backend as HAProxy sees it now.

    Args:
        name: Its name in the configuration.
        state: What an administrator asked for.
        up: True if it takes requests as far as health checks know.
        weight: 0 to 256, of the requests in relation to the other servers' weights.
    """

    name: str
    state: State
    up: bool
    weight: int

    @property
    def pull(self) -> int:
        """The weight that counts: 0 for one that gets no new request."""
        return self.weight if self.state == "ready" and self.up else 0


@dataclass(frozen=True, slots=True)
class Load:
    """What a server has to do now.

    Args:
        sessions: Requests in flight on it.
        queued: Requests that wait for it.
        total: Requests since HAProxy started.
    """

    sessions: int
    queued: int
    total: int


class Proxy:
    """One HAProxy, asked through its stats socket (`level admin`).

    Args:
        path: The Unix socket.
        timeout_s: For each step of an exchange, in seconds.
    """

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        self.path = path
        self._timeout_s = timeout_s

    def servers(self, backend: str) -> dict[str, Server]:
        """Return the servers of a backend by name.

        Raises:
            UnavailableError: HAProxy does not answer.
            InvalidError: It has no such backend.
        """
        lines = self.dump(backend).splitlines()
        if len(lines) < 2 or not lines[1].startswith(_HEADER):
            raise InvalidError(f"HAProxy at {self.path}: {' '.join(lines)[:200] or 'an empty answer'}", backend=backend)
        return {row.name: row for row in map(_server, lines[2:]) if row}

    def dump(self, backend: str = "") -> str:
        """Return `show servers state` as HAProxy writes it: what it reads again when it is started."""
        return self.ask(f"show servers state {backend}".strip())

    def loads(self, backend: str) -> dict[str, Load]:
        """Return what each server of a backend has to do, by name.

        Raises:
            UnavailableError: HAProxy does not answer.
            InvalidError: It has no such backend.
        """
        answer = self.ask("show stat -1 4 -1").removeprefix("# ")
        rows = [row for row in csv.DictReader(StringIO(answer)) if row.get("pxname") == backend]
        if not rows:
            raise InvalidError(f"HAProxy at {self.path} has no backend '{backend}': {answer[:120]}", backend=backend)
        return {row["svname"]: Load(int(row["scur"]), int(row["qcur"]), int(row["stot"])) for row in rows}

    def set_state(self, backend: str, servers: Sequence[str], state: State) -> None:
        """Let servers take requests (`ready`), only finish what they have (`drain`), or nothing (`maint`)."""
        self._command(*(f"set server {backend}/{server} state {state}" for server in servers))

    def set_weight(self, backend: str, weights: dict[str, int]) -> None:
        """Set absolute weights, 0 to 256, by server."""
        self._command(*(f"set server {backend}/{server} weight {weight}" for server, weight in weights.items()))

    def _command(self, *lines: str) -> None:
        """Say what changes something: all in one exchange, in order; HAProxy is silent when it did it.

        Raises:
            UnavailableError: HAProxy does not answer.
            InvalidError: It refused one of them.
        """
        if lines and (answer := self.ask(";".join(lines)).strip()):
            raise InvalidError(f"HAProxy at {self.path} refused '{lines[0]}': {' '.join(answer.split())[:200]}")

    def ask(self, line: str) -> str:
        """Send a line and return all of the answer.

        Raises:
            UnavailableError: Nobody answers, or not in time.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(self._timeout_s)
                link.connect(str(self.path))
                link.sendall(line.encode() + b"\n")
                got = bytearray()
                while (piece := link.recv(65536)) and len(got) < _ANSWER_LIMIT:
                    got += piece
        except OSError as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
            raise UnavailableError(
                f"HAProxy at {self.path}: {why}; is it running, with this 'stats socket … level admin'?",
                path=str(self.path),
            ) from error
        return got.decode(errors="replace")


def _server(line: str) -> Server | None:
    fields = line.split()
    if len(fields) < 8:
        return None
    admin = int(fields[6])
    state: State = "maint" if admin & _MAINT else "drain" if admin & _DRAIN else "ready"
    return Server(name=fields[3], state=state, up=int(fields[5]) == _RUNNING, weight=int(fields[7]))
