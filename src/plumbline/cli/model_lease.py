"""`plumb model lease`: who may deploy a model now, and how to take that over from somebody who is gone."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.registry_options import by_option, json_option, opened, registry_options, whoever

if TYPE_CHECKING:
    from plumbline.deployment.registry import Registry
    from plumbline.deployment.registry.leases import Holding

LONGEST = 256  # characters of a holder's name
_TERM_S = 30.0


@click.command()
@click.argument("model")
@click.option("--take-over", is_flag=True, help="End it: commands under its epoch are refused from then on.")
@click.option("--why", metavar="TEXT", help="The reason for taking it over; the lease shows it.")
@by_option
@json_option
@registry_options
def lease(model: str, take_over: bool, why: str | None, by: str | None, as_json: bool, **where: Any) -> None:
    """Say who holds the right to deploy MODEL, since when, for how long; or take it over.

    Whoever held it is refused (fenced) by registry, journal and servers, should they wake up. So never delete its row.
    """
    if take_over is not bool(why):
        raise click.UsageError("--take-over and --why go together")
    with opened(**where, read_only=not take_over) as registry:
        if take_over:
            name = f"{whoever(by)}: {why}"[:LONGEST]
            registry.release(registry.lease(model, name, _TERM_S, take_over=True))
        found = _last(registry, model)
    if as_json:
        click.echo(json.dumps(_body(model, found)))
        return
    click.echo(_told(model, found))


def _last(registry: Registry, model: str) -> Holding | None:
    from plumbline.deployment.registry.leases import holding

    with registry.database.reading() as connection:
        return holding(connection, model, time.time())


def _body(model: str, found: Holding | None) -> dict[str, Any]:
    if found is None:
        return {"model": model, "held": False}
    return {
        "model": model,
        "held": found.left_s > 0,
        "holder": found.holder,
        "epoch": found.epoch,
        "taken_at": found.taken_at,
        "left_s": round(max(found.left_s, 0.0), 3),
    }


def _told(model: str, found: Holding | None) -> str:
    if found is None:
        return f"{model}: nobody ever held the lease"
    if found.left_s <= 0:
        return f"{model}: free; the last was {found.holder}, epoch {found.epoch}"
    since = f"{max(time.time() - found.taken_at, 0):.0f} s ago"
    return f"{model}: held by {found.holder}, epoch {found.epoch}, renewed {since}, {found.left_s:.0f} s left"
