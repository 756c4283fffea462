"""Which registry a command works on, and who works: the options that commands of the deployment share."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plumbline.cli.refusals import refusals

if TYPE_CHECKING:
    from plumbline.deployment.registry import Registry

Command = TypeVar("Command", bound=Callable[..., Any])


def registry_options(command: Command) -> Command:
    """Add `--registry` and `--blobs`."""
    for option in (
        click.option(
            "--blobs", type=click.Path(path_type=Path), metavar="DIR", help="Files of a registry in Postgres."
        ),
        click.option(
            "--registry",
            "url",
            envvar="PLUMBLINE_REGISTRY",
            metavar="URL",
            help="A folder, or postgresql://… with --blobs.  [default: registry/ in the state folder]",
        ),
    ):
        command = option(command)
    return command


def by_option(command: Command) -> Command:
    """Add `--by`."""
    named = click.option("--by", metavar="NAME", help="Who does it, for the history.  [default: you, at this machine]")
    return named(command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@contextmanager
def opened(url: str | None, blobs: Path | None, *, read_only: bool = False) -> Iterator[Registry]:
    """Open the registry that a user named, and say what is refused in one sentence."""
    with refusals():
        from plumbline.catalogue import state_folder
        from plumbline.deployment.registry import Registry

        with Registry.open(url or state_folder() / "registry", blobs, read_only=read_only) as registry:
            yield registry


def whoever(by: str | None) -> str:
    """Return who does it: as they say, else the user at this machine."""
    if by is not None:
        return by
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
