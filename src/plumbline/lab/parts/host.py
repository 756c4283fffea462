"""What parts of a lab are made of: the lab they belong to, and a process under its keeper."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from plumbline.lab.errors import LabError
from plumbline.lab.link import Life, Link
from plumbline.lab.logs import tail
from plumbline.lab.parts.ports import free_port

START_S = 60.0
"""A server that is not ready after this time will not be, in seconds; a loaded machine may need many of them."""
TRIES = 3
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

    def groups_of(self, name: str) -> dict[str, Any]:
        """Return which control groups a process joins, as fields of its recipe."""
        ...


class Process:
    """A server of the lab under the keeper: its files, its port, and its life so far.

    Args:
        host: The lab it belongs to.
        name: Its name there.
        config: Name of its configuration file.
    """

    scheme = "http"

    def __init__(self, host: Host, name: str, config: str) -> None:
        self._lab = host
        self.name = name
        self.port = free_port()
        self.config = host.folder / config
        self.log = host.folder / f"{name}.log"
        self.pidfile = host.folder / f"{name}.pid"

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://127.0.0.1:{self.port}/"

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

    def started(self, starts: int) -> bool:
        """Tell whether it runs for at least the so-many-th time.

        Raises:
            LabError: It never will.
        """
        life = self._life
        dead = life.code is not None and life.starts >= starts and not life.again
        if life.failure or dead or life.starts >= starts + TRIES:
            words = life.failure or tail(self.log) or f"exit code {life.code}"
            raise LabError(f"{self.title} does not start: {words}")
        return life.starts >= starts and life.code is None

    @property
    def title(self) -> str:
        """How a sentence calls it."""
        return f"'{self.name}'"

    def stop(self) -> None:
        """Stop it, and wait for its end."""
        self._lab.link.ask("stop", name=self.name)

    def environment(self) -> dict[str, str]:
        """The variables of the fences, by the part's name."""
        word = self.name.upper().replace("-", "_")
        return {
            f"{word}_URL": self.url,
            f"{word}_PORT": str(self.port),
            f"{word}_PID": str(self.pid),
            f"{word}_PIDFILE": str(self.pidfile),
            f"{word}_LOG": str(self.log),
            f"{word}_CONFIG": str(self.config),
        }


def toml(settings: Mapping[str, Any]) -> str:
    """Return settings as TOML; JSON's text, numbers and truth values are TOML's too, and tables come after them."""
    plain = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items() if not _is_table(value))
    tables = [(key, value) for key, value in settings.items() if _is_table(value)]
    return plain + "".join(_tables(key, value) for key, value in tables)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _tables(name: str, table: Mapping[str, Any]) -> str:
    """Return `[channels."scores.*"]` and its like: one header for each table that holds plain values."""
    plain = {key: value for key, value in table.items() if not _is_table(value)}
    head = f"[{name}]\n{toml(plain)}" if plain else ""
    return head + "".join(_tables(f"{name}.{json.dumps(key)}", table[key]) for key in table if key not in plain)


def write(path: Path, text: str) -> None:
    """Write a file atomically: who reads it sees the old or the new one."""
    replacement = path.with_name(f".{path.name}.{os.getpid()}")
    replacement.write_text(text)
    replacement.replace(path)
