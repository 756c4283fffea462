"""`plumb model import|export`: versions taken from an MLflow registry, and given to one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.model_writing import named
from plumbline.cli.registry_options import by_option, opened, registry_options, whoever

if TYPE_CHECKING:
    from plumbline.deployment.models.mlflow import Server

_path = click.Path(path_type=Path)
_token = click.option("--token-env", metavar="NAME", help="Environment variable with a bearer token.")


@contextmanager
def _server(url: str, variable: str | None) -> Iterator[Server]:
    from plumbline.deployment.models.mlflow import Server

    token = None
    if variable is not None and not (token := os.environ.get(variable)):
        raise click.UsageError(f"the token is to come from ${variable}, which is not set")
    server = Server(url, token=token)
    try:
        yield server
    finally:
        server.close()


@click.command("import")
@click.argument("model", metavar="NAME@REF")
@click.option("--from", "place", required=True, metavar="URL", help="The MLflow server: http://127.0.0.1:5000.")
@click.option("--as", "renamed", metavar="MODEL", help="Its name here.  [default: the same, in lower case]")
@click.option("--sample", type=_path, metavar="CSV", help="Rows as it was trained on.  [default: its input example]")
@click.option("--claim", metavar="VERSION", help="Your own number; refused if it is too low for what changed.")
@_token
@by_option
@registry_options
def import_(model: str, place: str, sample: Path | None, token_env: str | None, **given: Any) -> None:
    """Register NAME@REF (a version or an alias) of an MLflow registry here.

    What was exported from here comes back byte for byte; else it must be scikit-learn in a skops file. A pickle is
    refused, unread.
    """
    name, ref = named(model)
    with (
        _server(place, token_env) as server,
        tempfile.TemporaryDirectory() as folder,
        opened(given["url"], given["blobs"]) as registry,
    ):
        from plumbline.deployment.models.exchanging import take

        rows = None if sample is None else _rows(sample)
        manifest, files = take(server, name, ref, folder=Path(folder), model=given["renamed"], sample=rows)
        made = registry.register(manifest, files, claim=given["claim"], by=whoever(given["by"]))
    click.echo(f"{manifest.model} {made.version}  {made.digest}  (from {name} {ref} at {place})")


@click.command("export")
@click.argument("model", metavar="MODEL@REF")
@click.option("--to", "place", required=True, metavar="URL", help="The MLflow server: http://127.0.0.1:5000.")
@click.option("--name", metavar="NAME", help="Its name there; made if need be.  [default: the same]")
@_token
@registry_options
def export(model: str, place: str, name: str | None, token_env: str | None, **given: Any) -> None:
    """Give MODEL@REF to an MLflow registry: a run with its metrics, its files, a registered version with its digest."""
    here, ref = named(model)
    with (
        _server(place, token_env) as server,
        tempfile.TemporaryDirectory() as temporary,
        opened(given["url"], given["blobs"], read_only=True) as registry,
    ):
        from plumbline.deployment.models.exchanging import give

        stored = registry.get(here, ref)
        folder = registry.materialise(here, stored.digest, Path(temporary) / "version")
        files = {one.path: folder / one.path for one in stored.manifest.files}
        number = give(server, stored.manifest, files, name=name or here, version=stored.version)
    click.echo(f"{here} {stored.version} is version {number} of {name or here} at {place}")


def _rows(path: Path) -> Any:
    import pandas as pd

    from plumbline.deployment.core.errors import InvalidError

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InvalidError(f"{path}: cannot be read as CSV: {error}", path=str(path)) from None
