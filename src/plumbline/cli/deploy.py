"""`plumb deploy`: from a pipeline's file to a version that serves, or to a clear no."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.cli.deploying import EXIT_WAITING, Voice, by_option, opened, who, with_registry
from plumbline.cli.refusals import refusals

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.journal import Deployment
    from plumbline.deployment.pipeline.machine import State


@click.command(epilog="Exit codes: 0 promoted, 1 rejected, rolled back or refused, 2 usage, 3 waits for a person.")
@click.argument("pipeline", type=click.Path(dir_okay=False, path_type=Path))
@with_registry
@click.option("--why", metavar="TEXT", default="", help="The reason, for the journal.")
@by_option
@click.option("--metrics", multiple=True, metavar="URL", help="The servers' metrics; before those of the file.")
@click.option("--resume", "only_resume", is_flag=True, help="Only go on with what is not over.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def deploy(
    pipeline: Path,
    registry: str | None,
    blobs: str | None,
    why: str,
    by: str | None,
    metrics: tuple[str, ...],
    only_resume: bool,
    as_json: bool,
) -> None:
    """Deploy what PIPELINE declares: build, test, gates, shares of the requests, watch, promote or roll back.

    A deployment that was killed is brought to its end first. Run it again whenever you are not sure.
    """
    with refusals():
        from plumbline.deployment.pipeline import recovery
        from plumbline.deployment.pipeline.declaration import load
        from plumbline.deployment.pipeline.plan import planned

        declared = load(pipeline)
        named = declared.registry
        url = registry or (named if named is None or "://" in named else str(declared.file(named)))
        with opened(url, blobs) as place:
            make = partial(place.controller, listen=Voice().hear)
            plan = planned(declared, by=who(by), why=why or f"plumb deploy {pipeline}", metrics=metrics)
            if only_resume:
                ends = recovery.resume(place.journal, plan.model, make)
            else:
                ends = [recovery.deploy(place.journal, plan, make)]
    conclude(ends, as_json=as_json)


def conclude(ends: list[tuple[Deployment, State]], *, as_json: bool) -> None:
    """Say how it ended, and end with the code for it."""
    if as_json:
        click.echo(json.dumps([{"id": one.id, "state": state.name, "ended": state.ended} for one, state in ends]))
    elif not ends:
        click.echo("nothing to go on with: every deployment is over")
    for one, state in [] if as_json else ends:
        click.echo(f"{one.id}: {state.step}" if state.ended else f"{one.id}: waits at '{state.name}'")
    if any(not state.ended for _, state in ends):
        raise SystemExit(EXIT_WAITING)
    if any(state.step != "promoted" for _, state in ends):
        raise SystemExit(1)
