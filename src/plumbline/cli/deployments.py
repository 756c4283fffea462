"""`plumb deployments`: what was deployed, how it went, and what people said to it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.deploying import by_option, opened, who, with_registry
from plumbline.cli.refusals import refusals

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.journal import Deployment, Entry

VERBS = ("approve", "refuse", "override", "stop", "show")


class Deployments(click.Group):
    """A group that takes a model's name where no verb stands: `plumb deployments churn`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read a first word that is no verb as `list WORD`."""
        if not args or args[0] not in (*VERBS, "list", "--help", "-h"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Deployments)
def deployments() -> None:
    """Show deployments: `plumb deployments [MODEL]`; answer them: approve, refuse, override, stop."""


@deployments.command("list")
@click.argument("model", required=False)
@with_registry
@click.option("--json", "as_json", is_flag=True, help="Print the journal as JSON.")
def listed(model: str | None, registry: str | None, blobs: str | None, as_json: bool) -> None:
    """List deployments, the newest first."""
    with refusals(), opened(registry, blobs) as place:
        found = [(one, place.journal.entries(one.id)) for one in place.journal.deployments(model)]
    if as_json:
        click.echo(json.dumps([_facts(*one) for one in found], indent=2))
        return
    if not found:
        of = f" of {model}" if model else ""
        click.echo(f"no deployment yet{of} in {place.shown}; --registry URL or PLUMBLINE_REGISTRY names another")
    for one, entries in found:
        click.echo(_line(one, entries))


@deployments.command()
@click.argument("deployment", metavar="ID")
@with_registry
def show(deployment: str, registry: str | None, blobs: str | None) -> None:
    """Show every line of one deployment's journal."""
    with refusals(), opened(registry, blobs) as place:
        one, entries = place.journal.get(deployment), place.journal.entries(deployment)
    click.echo(_line(one, entries))
    for entry in entries:
        said = entry.data.get("sentence") or entry.data.get("why") or ""
        result = entry.data.get("result") or entry.data.get("by") or ""
        click.echo(
            f"  {entry.seq:>3}  {_when(entry.at)}  {entry.kind:<6} {entry.step:<12} {result:<12} {said}".rstrip()
        )


@deployments.command()
@click.argument("deployment", metavar="ID")
@click.option("--why", required=True, metavar="TEXT", help="The reason.")
@click.option("--valid", default="1d", show_default=True, metavar="TIME", help="How long it holds.")
@by_option
@with_registry
def approve(deployment: str, why: str, valid: str, by: str | None, registry: str | None, blobs: str | None) -> None:
    """Let a deployment that waits go on; `plumb deploy … --resume` then does."""
    with refusals(), opened(registry, blobs) as place:
        from plumbline.deployment.core.durations import seconds
        from plumbline.deployment.pipeline import approvals

        valid_s = seconds(valid, "--valid")
        approvals.approve(place.journal, deployment, by=who(by), why=why, now=time.time(), valid_s=valid_s)
    click.echo(f"{deployment} is approved by {who(by)}; go on with: plumb deploy PIPELINE --resume")


@deployments.command()
@click.argument("deployment", metavar="ID")
@click.option("--why", required=True, metavar="TEXT", help="The reason.")
@by_option
@with_registry
def refuse(deployment: str, why: str, by: str | None, registry: str | None, blobs: str | None) -> None:
    """Say no to a deployment that waits."""
    with refusals(), opened(registry, blobs) as place:
        from plumbline.deployment.pipeline import approvals

        approvals.refuse(place.journal, deployment, by=who(by), why=why, now=time.time())
    click.echo(f"{deployment} is refused by {who(by)}; it ends when it is resumed")


@deployments.command()
@click.argument("deployment", metavar="ID")
@click.argument("gate")
@click.option("--why", required=True, metavar="TEXT", help="The reason.")
@click.option("--valid", default="1d", show_default=True, metavar="TIME", help="How long it holds.")
@by_option
@with_registry
def override(
    deployment: str, gate: str, why: str, valid: str, by: str | None, registry: str | None, blobs: str | None
) -> None:
    """Answer for GATE's verdict (or an inconclusive `watch`) on this deployment's candidate; then deploy anew."""
    with refusals(), opened(registry, blobs) as place:
        from plumbline.deployment.core.durations import seconds
        from plumbline.deployment.pipeline import approvals

        valid_s = seconds(valid, "--valid")
        approvals.override(place.journal, deployment, gate, by=who(by), why=why, now=time.time(), valid_s=valid_s)
    click.echo(
        f"{who(by)} answers for '{gate}' of this candidate for {valid}; it will read as overridden, not as passed"
    )


@deployments.command()
@click.argument("deployment", metavar="ID")
@click.option("--why", required=True, metavar="TEXT", help="The reason.")
@by_option
@with_registry
def stop(deployment: str, why: str, by: str | None, registry: str | None, blobs: str | None) -> None:
    """Ask a deployment to undo what it did and end."""
    with refusals(), opened(registry, blobs) as place:
        from plumbline.deployment.pipeline import approvals

        approvals.stop(place.journal, deployment, by=who(by), why=why, now=time.time())
    click.echo(f"{deployment} is asked to stop")


def _line(one: Deployment, entries: list[Entry]) -> str:
    versions = next((entry.data["versions"] for entry in entries if "versions" in entry.data), None)
    to = versions["candidate"][0] if versions else "?"
    old = versions["production"][0] if versions and versions["production"] else "-"
    said = next((str(entry.data["sentence"]) for entry in reversed(entries) if entry.kind == "failed"), one.plan.why)
    state = one.ended or (f"at {entries[-1].step}" if entries else "not begun")
    return f"{one.id:<20} {_when(one.at)}  {old:>8} → {to:<8} {state:<14} {one.plan.by}: {said}"


def _facts(one: Deployment, entries: list[Entry]) -> dict[str, Any]:
    from msgspec import to_builtins

    facts: dict[str, Any] = to_builtins(one)
    return {**facts, "entries": [asdict(entry) for entry in entries]}


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"
