"""`plumb deploy`: from a pipeline's file to a version that serves, or to a clear no."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.cli.deploying import EXIT_WAITING, Voice, by_option, opened, who, with_registry
from plumbline.cli.refusals import refusals

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.declaration import Pipeline
    from plumbline.deployment.pipeline.journal import Deployment
    from plumbline.deployment.pipeline.machine import State


@click.command(epilog="Exit codes: 0 promoted, 1 rejected, rolled back or refused, 2 usage, 3 waits for a person.")
@click.argument("pipeline", type=click.Path(dir_okay=False, path_type=Path))
@with_registry
@click.option("--why", metavar="TEXT", default="", help="The reason, for the journal.")
@by_option
@click.option("--metrics", multiple=True, metavar="URL", help="The servers' metrics; before those of the file.")
@click.option("--resume", "only_resume", is_flag=True, help="Only go on with what is not over.")
@click.option(
    "--render",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Lane kubernetes: write a version's manifests there; nothing is built or switched.",
)
@click.option("--ref", metavar="REF", help="With --render: version, alias or digest; the file's model.ref by default.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="With --render: a key of lane.workload.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def deploy(
    pipeline: Path,
    registry: str | None,
    blobs: str | None,
    why: str,
    by: str | None,
    metrics: tuple[str, ...],
    only_resume: bool,
    render: Path | None,
    ref: str | None,
    given: tuple[str, ...],
    as_json: bool,
) -> None:
    """Deploy what PIPELINE declares: build, test, gates, shares of the requests, watch, promote or roll back.

    A deployment that was killed is brought to its end first. Run it again whenever you are not sure.
    """
    if render is None and (ref or given):
        raise click.UsageError("--ref and --set go with --render")
    with refusals():
        from plumbline.deployment.pipeline import recovery
        from plumbline.deployment.pipeline.declaration import load
        from plumbline.deployment.pipeline.plan import planned

        declared = load(pipeline)
        named = declared.registry
        url = registry or (named if named is None or "://" in named else str(declared.file(named)))
        if render is not None or declared.lane.kind == "kubernetes":
            rendered(declared, render, (url, blobs), (ref, given), as_json=as_json)
            return
        with opened(url, blobs) as place:
            make = partial(place.controller, listen=Voice().hear)
            plan = planned(declared, by=who(by), why=why or f"plumb deploy {pipeline}", metrics=metrics)
            if only_resume:
                ends = recovery.resume(place.journal, plan.model, make)
            else:
                ends = [recovery.deploy(place.journal, plan, make)]
    conclude(ends, as_json=as_json)


def rendered(
    pipeline: Pipeline,
    folder: Path | None,
    place: tuple[str | None, str | None],
    chosen: tuple[str | None, tuple[str, ...]],
    *,
    as_json: bool,
) -> None:
    """Write the manifests of a version, or say how they are written."""
    from plumbline.catalogue import state_folder
    from plumbline.deployment.core.errors import InvalidError
    from plumbline.deployment.pipeline.manifests import write
    from plumbline.deployment.pipeline.ports import Built
    from plumbline.deployment.registry.store import Registry

    if folder is None:
        raise InvalidError(
            "lane 'kubernetes' is switched by the cluster's own controllers: write a version's manifests with "
            f"'plumb deploy {pipeline.path.name} --render DIR --ref VERSION', and apply them with "
            "'kubectl apply -f DIR'"
        )
    (url, blobs), (ref, given) = place, chosen
    wanted = ref or pipeline.model.ref
    if wanted is None:
        raise click.UsageError("name the version that is rendered: --ref")
    with Registry.open(
        url or str(state_folder() / "registry"), None if blobs is None else Path(blobs), read_only=True
    ) as registry:
        stored = registry.get(pipeline.model.name, wanted)
    found = write(pipeline, Built(stored.version, stored.digest), folder, given)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    objects = f"{len(found.objects)} objects of {pipeline.model.name} {found.version}"
    click.echo(f"{found.path}: {objects}, checked against {' and '.join(found.checked)}")


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
