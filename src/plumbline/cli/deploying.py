"""What the commands that deploy share: registry, journal, lane, and a voice that says how it goes."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.opening import Place
    from plumbline.deployment.pipeline.world import Moment

EXIT_WAITING = 3
"""A person has to approve first."""

registry_options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
    click.option("--registry", envvar="PLUMBLINE_REGISTRY", metavar="URL", help="Folder or postgresql://…"),
    click.option("--blobs", metavar="DIR", help="Files of a registry whose metadata are in Postgres."),
]
by_option = click.option("--by", metavar="NAME", help="Who does it, for the journal; your user name by default.")


def with_registry(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a registry."""
    for option in reversed(registry_options):
        command = option(command)
    return command


def who(name: str | None) -> str:
    """Return the name for the journal."""
    return name or f"{getpass.getuser()}@{socket.gethostname()}"


@contextmanager
def opened(registry: str | None, blobs: str | None, *, existing: bool = False) -> Iterator[Place]:
    """Open a registry and its journal; without a name the one in the state folder.

    Raises:
        NotFoundError: It has to exist, and does not: a mistyped name makes no empty registry.
    """
    from plumbline.catalogue import state_folder
    from plumbline.deployment.core.errors import NotFoundError
    from plumbline.deployment.pipeline import opening
    from plumbline.deployment.registry.database import DATABASE

    url = registry or str(state_folder() / "registry")
    if existing and "://" not in url and not (Path(url).expanduser() / DATABASE).is_file():
        raise NotFoundError(f"{url} holds no registry ({DATABASE} is missing); --registry names another", url=url)
    with opening.opened(url, None if blobs is None else Path(blobs), state_folder()) as place:
        yield place


class Voice:
    """Says on stderr how a deployment goes; a terminal also sees what is being done now."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal

    def hear(self, moment: Moment) -> None:
        """Tell one moment."""
        from rich.markup import escape

        if moment.when == "before" and self._live:
            sys.stderr.write(f"\x1b[2K  … {moment.what}\r")
            sys.stderr.flush()
        elif moment.when == "told":
            self._console.print(f"           [dim]{escape(moment.sentence)}[/dim]")
        elif moment.when == "ended":
            result = str(moment.data["result"])
            colour = {"ok": "green", "same": "green", "overridden": "yellow"}.get(result, "red")
            self._console.print(f"  [{colour}]{result:<12}[/] {moment.what:<10} {escape(moment.sentence)}")
