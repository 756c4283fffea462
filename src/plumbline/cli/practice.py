"""`plumb practice`: break the lab, search, diagnose, fix, see it turn green."""

from __future__ import annotations

import select
import sys

import click

from plumbline.catalogue import CatalogueError, locate


@click.command()
@click.argument("problem", metavar="ID")
@click.option("--yes", is_flag=True, help="Ask nothing: do what is suggested at each point.")
@click.pass_obj
def practice(obj: dict[str, str | None], problem: str, yes: bool) -> None:
    """Break a lab of your own with a known problem, and mend it.

    Nothing outside of the lab is touched, and nothing remains: not after Ctrl-C, and not when this command is killed.
    """
    from plumbline.diagnosis.runner import Runner
    from plumbline.lab.errors import LabError
    from plumbline.lab.interrupt import orderly
    from plumbline.lab.practice.play import play
    from plumbline.lab.proof.campaign import Campaign
    from plumbline.lab.proof.course import PhaseError
    from plumbline.lab.proof.prove import search
    from plumbline.lab.proof.subject import SubjectError

    try:
        catalogue = locate(obj["catalogue"])
        subject = Campaign(catalogue, [problem]).subject(problem)
    except (CatalogueError, SubjectError) as error:
        raise click.UsageError(str(error)) from None
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("practice asks what to do next, but stdin is no terminal; --yes does what is suggested")
    click.secho(f"{problem}: {subject.problem.title}", bold=True)
    try:
        with orderly(farewell), Runner(catalogue, jobs=16) as runner:
            ask = suggest if yes else prompt
            green = play(subject, catalogue, runner, find=search(), say=say, ask=ask)
    except (LabError, PhaseError) as error:
        raise click.ClickException(str(error)) from None
    if yes and not green:
        raise SystemExit(1)


def say(text: str) -> None:
    """Print a paragraph."""
    click.echo(f"\n{text}")


def suggest(suggested: str) -> str:
    """Answer as Enter would."""
    click.secho(f"\n> {suggested}", fg="cyan")
    return ""


def prompt(suggested: str) -> str | None:
    """Ask the person; None when the input has ended."""
    click.echo(f"\n[Enter: {suggested} · help · quit] > ", nl=False)
    # A read that blocks would not see a signal that came just before it; so Ctrl-C and SIGTERM always end the lab.
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        pass
    return sys.stdin.readline() or None


def farewell() -> None:
    """Say that an interrupt left nothing behind."""
    click.echo("\nplumb: interrupted; nothing of the lab remains", err=True)
