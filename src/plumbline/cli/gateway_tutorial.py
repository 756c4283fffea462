"""`plumb gateway tutorial`: the files of the tutorial, to be run and changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from plumbline.catalogue import CatalogueError, locate

FILES = (
    "infrastructure/tutorial/publisher.py",
    "infrastructure/tutorial/dashboard.html",
    "assets/js/plumbline-client.js",
    "assets/js/plumbline-link.js",
    "assets/js/plumbline-comeback.js",
)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def tutorial(obj: dict[str, str | None], folder: Path) -> None:
    """Write publisher, dashboard and browser client of the tutorial into FOLDER; what is there already stays."""
    try:
        docs = locate(obj["catalogue"]).root / "docs"
    except CatalogueError as error:
        raise click.UsageError(str(error)) from None
    missing = [name for name in FILES if not (docs / name).is_file()]
    if missing:
        raise click.ClickException(f"{docs} has no {missing[0]}: this catalogue is without the tutorial")
    targets = [folder / Path(name).name for name in FILES]
    if taken := next((path for path in targets if path.exists()), None):
        raise click.ClickException(f"{taken} is there already; nothing was written")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, target in zip(FILES, targets, strict=True):
            shutil.copyfile(docs / name, target)
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename}: {error.strerror}") from None
    for target in targets:
        click.echo(target)
