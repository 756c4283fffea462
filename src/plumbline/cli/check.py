"""`plumb check`: every broken reference in the catalogue, as file:line."""

from __future__ import annotations

import click


@click.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """List every broken reference, orphan, unknown key, dead anchor and unknown command in the catalogue.

    Each is one line: `file:line: what is wrong; did you mean '…'?`. Exit code 0: none, 1: some, 2: no catalogue.
    """
    from plumbline.catalogue import CatalogueError, locate
    from plumbline.handbook.check import check as complaints_of

    try:
        catalogue = locate((ctx.find_root().obj or {}).get("catalogue"))
    except CatalogueError as error:
        raise click.UsageError(str(error)) from None
    complaints = complaints_of(catalogue, ctx.find_root().command)
    for complaint in complaints:
        click.echo(str(complaint))
    if complaints:
        files = len({complaint.path for complaint in complaints})
        click.echo(f"{len(complaints)} complaint(s) in {files} file(s) of {catalogue.root}", err=True)
        ctx.exit(1)
    click.echo(f"{catalogue.root}: {len(catalogue.guides())} guide(s), every reference holds")
