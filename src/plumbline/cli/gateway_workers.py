"""`plumb gateway workers|scale|restart|balance|autoscaler|reload-policy`: several workers under one supervisor."""

from __future__ import annotations

import json
from typing import Any

import click

from plumbline.cli.gateway_asking import admin_option, asked, json_option, new_table, show_table

PATIENCE_S = 3600.0  # a rolling restart drains one worker after the other


@click.command()
@admin_option
@json_option
def workers(admin: str | None, as_json: bool) -> None:
    """Show each worker: process, state, connections, and how evenly they are spread."""
    _tell(asked(admin, {"get": "workers"}), as_json)


@click.command()
@click.argument("count", type=int)
@admin_option
@json_option
def scale(count: int, admin: str | None, as_json: bool) -> None:
    """Have this many workers; those that go drain first, the least loaded before the others."""
    _tell(asked(admin, {"scale": count}, PATIENCE_S), as_json)


@click.command()
@admin_option
@json_option
def restart(admin: str | None, as_json: bool) -> None:
    """Replace the workers one by one: each new one accepts before the old one drains."""
    _tell(asked(admin, {"restart": {}}, PATIENCE_S), as_json)


@click.command()
@click.option("--within", "within_s", type=float, metavar="S", help="Time over which they go  [drain_s].")
@admin_option
@json_option
def balance(within_s: float | None, admin: str | None, as_json: bool) -> None:
    """Ask the surplus of workers that have more connections than the others to come back elsewhere."""
    answer = asked(admin, {"balance": {} if within_s is None else {"within_s": within_s}})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    parts = ", ".join(f"{count} of {worker}" for worker, count in answer["asked_to_leave"].items()) or "nobody"
    click.echo(f"spread (most loaded / mean) {answer['spread']:.3f}; asked to come back elsewhere: {parts}")


@click.command()
@admin_option
@json_option
def autoscaler(admin: str | None, as_json: bool) -> None:
    """Show the autoscaler's policy and its last decisions, newest first."""
    answer = asked(admin, {"get": "autoscaler"})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    elif answer["policy"] is None:
        click.echo("no autoscaling: the number of workers stays; start with --workers MIN..MAX or --autoscale FILE")
    else:
        show_table(_decisions(answer))


@click.command("reload-policy")
@admin_option
@json_option
def reload_policy(admin: str | None, as_json: bool) -> None:
    """Read the autoscaling policy's file again; a wrong one changes nothing. SIGHUP does it too, and says less."""
    policy = asked(admin, {"reload-policy": {}})["policy"]
    if as_json:
        click.echo(json.dumps(policy, indent=2))
        return
    up, down = policy["up"]["stabilization_s"], policy["down"]["stabilization_s"]
    bounds = f"{policy['min_replicas']} to {policy['max_replicas']} workers"
    click.echo(f"{bounds}, every {policy['sync_period_s']:g} s; windows: up {up} s, down {down} s")


COMMANDS = (workers, scale, restart, balance, autoscaler, reload_policy)


def _tell(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        show_table(_workers(answer))


def _workers(answer: dict[str, Any]) -> Any:
    many = len(answer["workers"])
    title = f"{many} workers, spread (most loaded / mean) {answer['spread']:.3f}, {answer['deaths']} deaths"
    found = new_table(title, "<worker", "pid", "<state", "clients", "delivered", "lag ms", "MiB", "restarts")
    for row in answer["workers"]:
        lag, resident = row.get("loop_lag_s"), row.get("resident_bytes")
        found.add_row(
            row["worker"],
            _text(row["pid"]),
            "crash loop" if row.get("crash_loop") else row["state"],
            _text(row.get("connections")),
            _text(row.get("deliveries")),
            "-" if lag is None else f"{lag * 1000:.1f}",
            "-" if resident is None else f"{resident / (1 << 20):.1f}",
            _text(row.get("restarts")),
        )
    return found


def _decisions(answer: dict[str, Any]) -> Any:
    policy = answer["policy"]
    title = (
        f"Between {policy['min_replicas']} and {policy['max_replicas']} workers, every {policy['sync_period_s']:g} s"
    )
    found = new_table(title, "at s", "from", "to", "<decided by", "<because")
    for row in answer["decisions"]:
        found.add_row(f"{row['at']:.1f}", str(row["from"]), str(row["to"]), row["code"], "; ".join(row["reasons"]))
    return found


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
