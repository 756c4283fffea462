"""`plumb`: each command is imported when it is called, so that `plumb --help` stays quick."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from plumbline import __version__

# name -> (module:attribute, one line for --help)
COMMANDS = {
    "up": ("plumbline.cli.up:up", "Serve site, search, diagnostics and lab on http://127.0.0.1:8000."),
    "diagnose": ("plumbline.cli.diagnose:diagnose", "Run diagnostics against the lab or your own platform."),
    "run": ("plumbline.cli.diagnose:run", "Run one diagnostic file."),
    "explain": ("plumbline.cli.explain:explain", "Say what a diagnostic asks, reads and holds to be too much."),
    "bundle": ("plumbline.cli.bundle:bundle", "Save redacted evidence, to be judged elsewhere."),
    "replay": ("plumbline.cli.bundle:replay", "Judge the evidence of a bundle."),
    "search": ("", "Find the guide for a symptom, a log or a stack trace."),
    "index": ("", "Build the search index."),
    "practice": ("plumbline.cli.practice:practice", "Break the lab, search, diagnose, fix, see it turn green."),
    "prove": ("plumbline.cli.prove:prove", "Prove guides: inject, red, found, fixed, green."),
    "mcp": ("plumbline.cli.mcp:mcp", "Serve the handbook to an assistant (Model Context Protocol, stdio)."),
    "check": ("plumbline.cli.check:check", "List every broken reference in the catalogue."),
    "docs": ("plumbline.cli.docs:docs", "Write the generated pages of the site."),
    "gateway": ("plumbline.cli.gateway:gateway", "Run a gateway, or read and set one through its admin socket."),
    "stream": ("plumbline.cli.stream:stream", "Read and publish at a gateway from a terminal."),
    "load": ("plumbline.cli.load:load", "Load a WebSocket server and say which limit binds."),
    "model": ("plumbline.cli.model:model", "Register, find, serve and move versions of models."),
    "autoscale": ("plumbline.cli.autoscale:autoscale", "Try an autoscaling policy on a load; render it."),
    "package": (
        "plumbline.cli.package:package",
        "Write a version as OCI artefact and image; prove that it runs.",
    ),
    "deploy": ("plumbline.cli.deploy:deploy", "Build, test, judge, switch, watch; promote or roll back."),
    "rollback": ("plumbline.cli.rollback:rollback", "Back to the version before, now."),
    "deployments": (
        "plumbline.cli.deployments:deployments",
        "What was deployed and how it went; approve, override, stop.",
    ),
    "ab": ("plumbline.cli.ab:ab", "Compare versions on real users: plan, assign, log, decide."),
    "retrain": ("plumbline.cli.retrain:retrain", "Train a model again when the world has changed; say why."),
}
GROUP = "plumbline.commands"


class Plumb(click.Group):
    """A group whose commands are imported on use; other packages add theirs (entry points `plumbline.commands`)."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return our commands in reading order, then those of other packages."""
        others = sorted(point.name for point in entry_points(group=GROUP) if point.name not in COMMANDS)
        return [*COMMANDS, *others]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command, or return None if there is none of that name."""
        target, _ = COMMANDS.get(cmd_name, ("", ""))
        if target:
            module, _, attribute = target.partition(":")
            return _command(getattr(importlib.import_module(module), attribute))
        for point in entry_points(group=GROUP, name=cmd_name):
            return _load(point)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if near and "Did you mean" not in error.message:
                raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        rows = [(name, COMMANDS.get(name, ("", "From another package."))[1]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _command(loaded: Any) -> click.Command:
    if not isinstance(loaded, click.Command):
        raise click.ClickException(f"{loaded!r} is no click command")
    return loaded


def _load(point: EntryPoint) -> click.Command:
    try:
        return _command(point.load())
    except ImportError as error:
        raise click.ClickException(
            f"'plumb {point.name}' needs what is not installed ({error}): pip install 'plumbline[search]'"
        ) from None


@click.group(cls=Plumb, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--catalogue", metavar="DIR", help="Use the handbook in this folder (docs/, kb/, diagnostics/).")
@click.version_option(__version__, prog_name="plumb")
@click.pass_context
def main(ctx: click.Context, catalogue: str | None) -> None:
    """Search a symptom, diagnose the platform, fix it as the guide says, see it turn green."""
    ctx.obj = {"catalogue": catalogue}
