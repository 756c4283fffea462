"""`plumb docs`: write the generated pages of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from plumbline.catalogue import Catalogue


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; say what is out of date, with exit code 1.")
@click.pass_context
def docs(ctx: click.Context, check: bool) -> None:
    """Write the pages that are made from code and records: commands, diagnostics, evidence, HTTP, problems, proofs.

    A file that is up to date is left alone. Exit code 0: done. 1: with --check, something is out of date.
    """
    from plumbline.catalogue import CatalogueError, locate
    from plumbline.handbook.complaints import HandbookError
    from plumbline.handbook.pages.write import generate, outdated, write

    try:
        catalogue = locate((ctx.find_root().obj or {}).get("catalogue"))
        files = generate(catalogue, ctx.find_root().command, _openapi(catalogue))
    except CatalogueError as error:
        raise click.UsageError(str(error)) from None
    except HandbookError as error:
        raise click.ClickException(f"the catalogue has faults, so no page was written:\n{error}") from None
    paths = outdated(catalogue, files) if check else write(catalogue, files)
    for path in paths:
        click.echo(f"{path}: out of date; `plumb docs` writes it" if check else f"{path}: written")
    if check and paths:
        ctx.exit(1)
    if not paths:
        click.echo(f"{len(files)} generated files are up to date")


def _openapi(catalogue: Catalogue) -> dict[str, Any] | None:
    """Return the app's description of itself; None where the `web` extra is not installed."""
    from pathlib import Path

    try:
        from plumbline.web.app import create_app
        from plumbline.web.settings import WebSettings
    except ImportError as error:
        if error.name and error.name.startswith("plumbline"):
            raise
        return None
    described: dict[str, Any] = create_app(WebSettings(site=Path("site")), catalogue).openapi()
    return described
