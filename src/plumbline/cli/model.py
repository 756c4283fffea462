"""`plumb model`: models and their versions, and the server that answers with them."""

from __future__ import annotations

import click

from plumbline.cli.model_exchange import export, import_
from plumbline.cli.model_lease import lease
from plumbline.cli.model_reading import history, listed, show, verify
from plumbline.cli.model_serve import serve
from plumbline.cli.model_writing import alias, collect, get, promote, register, sign


@click.group()
def model() -> None:
    """Register, find, serve and move versions of models."""


COMMANDS = (register, listed, show, get, alias, promote, history, lease, sign, verify, collect, import_, export, serve)
for command in COMMANDS:
    model.add_command(command)
