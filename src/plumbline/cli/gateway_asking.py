"""What the commands of `plumb gateway` share: the admin socket they ask, and tables."""

from __future__ import annotations

from typing import Any

import click

from plumbline.streaming.server.options import BadInputError

admin_option = click.option(
    "--admin", envvar="PLUMBLINE_ADMIN", metavar="PATH", help="The gateway's admin socket  [$PLUMBLINE_ADMIN]."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def asked(admin: str | None, request: dict[str, Any], timeout_s: float = 5.0) -> Any:
    """Ask a gateway.

    Raises:
        click.ClickException: It cannot be asked, or refuses.
    """
    from plumbline.streaming.probes.adminclient import AdminError, ask

    if not admin:
        raise BadInputError("which gateway? Give the path of its admin socket: --admin PATH, or PLUMBLINE_ADMIN")
    try:
        return ask(admin, request, timeout_s)
    except AdminError as error:
        if error.kind == "refused":
            raise BadInputError(error.sentence) from None
        raise click.ClickException(error.sentence) from None


def show_table(table: Any) -> None:
    """Print a table."""
    from rich.console import Console

    Console(highlight=False).print(table)


def new_table(title: str, *columns: str) -> Any:
    """Return a table; a column that begins with `<` is set flush left."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column.lstrip("<"), justify="left" if column.startswith("<") else "right", overflow="fold")
    return table
