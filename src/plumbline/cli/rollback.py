"""`plumb rollback`: back to the version before, now."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from plumbline.cli.deploy import conclude
from plumbline.cli.deploying import Voice, by_option, opened, who, with_registry
from plumbline.cli.refusals import refusals


@click.command(epilog="Exit codes: 0 the version serves, 1 it does not, 2 usage.")
@click.argument("model")
@click.option("--to", metavar="VERSION", help="Version, or digest; the one that served before by default.")
@click.option("--why", metavar="TEXT", required=True, help="The reason, for the journal.")
@by_option
@with_registry
@click.option("--alias", default="production", show_default=True, help="The alias that says what serves.")
@click.option("--admin", multiple=True, metavar="PATH", help="Admin sockets; those of the last deployment by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rollback(
    model: str,
    to: str | None,
    why: str,
    by: str | None,
    registry: str | None,
    blobs: str | None,
    alias: str,
    admin: tuple[str, ...],
    as_json: bool,
) -> None:
    """Move the alias of MODEL back, and the servers with it.

    What is being deployed is stopped and undone first. Going back twice goes back two versions.
    """
    with refusals():
        from plumbline.deployment.pipeline import recovery
        from plumbline.deployment.pipeline.lane_use import LaneUse

        with opened(registry, blobs, existing=True) as place:
            plan = recovery.way_back(place.journal, place.registry, model, by=who(by), why=why, alias=alias, to=to)
            if admin:
                plan = replace(plan, lane=LaneUse(admin=tuple(str(Path(path).absolute()) for path in admin)))
            make = partial(place.controller, listen=Voice().hear)
            ends = [recovery.roll_back(place.journal, place.registry, plan, make)]
    conclude(ends, as_json=as_json)
