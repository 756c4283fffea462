"""`plumb gateway`: run a gateway, look into one, change one while it runs."""

from __future__ import annotations

import json
from typing import Any

import click

from plumbline.cli import (
    gateway_haproxy,
    gateway_leaving,
    gateway_regions,
    gateway_tokens,
    gateway_tutorial,
    gateway_workers,
)
from plumbline.cli.gateway_asking import admin_option, asked, json_option, new_table, show_table
from plumbline.streaming.server.options import pairs
from plumbline.streaming.server.serve import serve

VIEWS = ("settings", "queues", "closes", "stats", "broker")


@click.group()
def gateway() -> None:
    """Run a gateway, or read and set one through its admin socket."""


gateway.add_command(serve)
for command in (
    *gateway_workers.COMMANDS,
    *gateway_leaving.COMMANDS,
    *gateway_regions.COMMANDS,
    *gateway_tokens.COMMANDS,
    gateway_haproxy.haproxy_config,
    gateway_tutorial.tutorial,
):
    gateway.add_command(command)


@gateway.command()
@click.argument("view", type=click.Choice(VIEWS), default="stats")
@admin_option
@json_option
def show(view: str, admin: str | None, as_json: bool) -> None:
    """Show what a running gateway says of itself: its settings, outbound queues, last closes, counters, broker."""
    answer = asked(admin, {"get": view})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    show_table(
        {"settings": _settings, "queues": _queues, "closes": _closes, "stats": _stats, "broker": _stats}[view](answer)
    )


@gateway.command("set")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@admin_option
@json_option
def set_(changes: tuple[str, ...], admin: str | None, as_json: bool) -> None:
    """Change settings of a running gateway; all of them or, if one is wrong, none."""
    wanted = pairs(changes)
    answer = asked(admin, {"set": wanted})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    for key in wanted:
        click.echo(f"{key} = {answer[key]}")


def _settings(answer: dict[str, Any]) -> Any:
    from plumbline.streaming.core.settings import Settings, kinds

    defaults = Settings().as_dict()
    table = new_table("Settings", "<setting", "value", "default", "<range")
    for key, kind in kinds().items():
        table.add_row(key, str(answer[key]) or "-", str(defaults[key]) or "-", kind.bounds)
    return table


def _queues(answer: dict[str, Any]) -> Any:
    title = (
        f"{answer['connections']} connections, {_size(answer['queued_bytes'])} queued, overflow={answer['overflow']}, "
        f"at most {_size(answer['limit_bytes'])} or {answer['limit_messages']} messages each, "
        f"{answer['held_publishers']} publishers held, {_size(answer['resident_bytes'])} resident"
    )
    table = new_table(title, "<connection", "queued", "messages", "oldest s", "in kernel", "dropped")
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
    table = new_table(title, "code", "<reason", "<by", "<clean", "idle s", "age s", "ago s")
    for item in answer["recent"]:
        seconds = [f"{item[key]:.1f}" for key in ("idle_s", "age_s", "ago_s")]
        table.add_row(str(item["code"]), item["reason"], item["by"], "yes" if item["clean"] else "no", *seconds)
    return table


def _stats(answer: dict[str, Any]) -> Any:
    table = new_table("Counters", "<name", "value")
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
