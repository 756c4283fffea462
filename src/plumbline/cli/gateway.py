"""`plumb gateway`: run a gateway, look into one, change one while it runs."""

from __future__ import annotations

import json
from typing import Any

import click

from plumbline.streaming.server.serve import BadInputError, pairs, serve

VIEWS = ("settings", "queues", "closes", "stats")
_admin = click.option(
    "--admin", envvar="PLUMBLINE_ADMIN", metavar="PATH", help="The gateway's admin socket  [$PLUMBLINE_ADMIN]."
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def gateway() -> None:
    """Run a gateway, or read and set one through its admin socket."""


gateway.add_command(serve)


@gateway.command()
@click.argument("view", type=click.Choice(VIEWS), default="stats")
@_admin
@_as_json
def show(view: str, admin: str | None, as_json: bool) -> None:
    """Show what a running gateway says of itself: its settings, outbound queues, last closes, or counters."""
    answer = _ask(admin, {"get": view})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    _print({"settings": _settings, "queues": _queues, "closes": _closes, "stats": _stats}[view](answer))


@gateway.command("set")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@_admin
@_as_json
def set_(changes: tuple[str, ...], admin: str | None, as_json: bool) -> None:
    """Change settings of a running gateway; all of them or, if one is wrong, none."""
    asked = pairs(changes)
    answer = _ask(admin, {"set": asked})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    for key in asked:
        click.echo(f"{key} = {answer[key]}")


def _ask(admin: str | None, request: dict[str, Any]) -> Any:
    from plumbline.streaming.probes.adminclient import AdminError, ask

    if not admin:
        raise BadInputError("which gateway? Give the path of its admin socket: --admin PATH, or PLUMBLINE_ADMIN")
    try:
        return ask(admin, request)
    except AdminError as error:
        if error.kind == "refused":
            raise BadInputError(error.sentence) from None
        raise click.ClickException(error.sentence) from None


def _print(table: Any) -> None:
    from rich.console import Console

    Console(highlight=False).print(table)


def _table(title: str, *columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column.lstrip("<"), justify="left" if column.startswith("<") else "right")
    return table


def _settings(answer: dict[str, Any]) -> Any:
    from plumbline.streaming.core.settings import Settings, kinds

    defaults = Settings().as_dict()
    table = _table("Settings", "<setting", "value", "default", "<range")
    for key, kind in kinds().items():
        table.add_row(key, str(answer[key]) or "-", str(defaults[key]) or "-", kind.bounds)
    return table


def _queues(answer: dict[str, Any]) -> Any:
    title = (
        f"{answer['connections']} connections, {_size(answer['queued_bytes'])} queued, overflow={answer['overflow']}, "
        f"at most {_size(answer['limit_bytes'])} or {answer['limit_messages']} messages each, "
        f"{answer['held_publishers']} publishers held, {_size(answer['resident_bytes'])} resident"
    )
    table = _table(title, "<connection", "queued", "messages", "oldest s", "in kernel", "dropped")
    for item in answer["queues"]:
        kernel = item["kernel_unsent_bytes"]
        table.add_row(
            item["connection"],
            _size(item["queued_bytes"]),
            str(item["queued_messages"]),
            "-" if item["oldest_s"] is None else f"{item['oldest_s']:.1f}",
            "-" if kernel is None else _size(kernel),
            str(item["dropped"]),
        )
    return table


def _closes(answer: dict[str, Any]) -> Any:
    title = f"{len(answer['recent'])} last closes, heartbeat every {answer['heartbeat_interval_s']:g} s"
    table = _table(title, "code", "<reason", "<by", "<clean", "idle s", "age s", "ago s")
    for item in answer["recent"]:
        seconds = [f"{item[key]:.1f}" for key in ("idle_s", "age_s", "ago_s")]
        table.add_row(str(item["code"]), item["reason"], item["by"], "yes" if item["clean"] else "no", *seconds)
    return table


def _stats(answer: dict[str, Any]) -> Any:
    table = _table("Counters", "<name", "value")
    for key, value in answer.items():
        if isinstance(value, dict):
            table.add_row(key, ", ".join(f"{name} {count}" for name, count in value.items()) or "0")
        elif value is None:
            table.add_row(key, "-")
        else:
            table.add_row(key, _size(value) if key.endswith("_bytes") else str(value))
    return table


def _size(count: int) -> str:
    if count < 1 << 10:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"
