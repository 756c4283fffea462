"""The `--nats-…` options of every command that connects to NATS."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from plumbline.streaming.cluster.access import Access
from plumbline.streaming.server.options import BadInputError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FILES = {
    "credentials": "Credentials file for NATS: JWT and key, as nsc writes it.",
    "nkey": "File with an nkey's seed.",
    "password-file": "File with that user's password.",
    "token-file": "File with a token.",
    "ca": "PEM file: who may have signed the servers' certificates.",
    "cert": "PEM file: the certificate to show them.",
    "key": "PEM file: its private key.",
}


def access_options(run: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets `access`."""

    @functools.wraps(run)
    def either(**given: Any) -> Any:
        shown = {name.removeprefix("nats_"): given.pop(name) for name in list(given) if name.startswith("nats_")}
        try:
            access = Access(**shown)
        except ValueError as error:
            raise BadInputError(str(error)) from None
        return run(access=access, **given)

    command: Callable[..., Any] = either
    for name, text in reversed(_FILES.items()):
        command = click.option(f"--nats-{name}", type=_FILE, metavar="FILE", help=text)(command)
    return click.option("--nats-user", metavar="NAME", help="User name for NATS; with --nats-password-file.")(command)
