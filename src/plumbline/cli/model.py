"""`plumb model`: models and their versions, and the server that answers with them."""

from __future__ import annotations

import click

from plumbline.cli.model_serve import serve


@click.group()
def model() -> None:
    """Register, find, serve and move versions of models."""


model.add_command(serve)
