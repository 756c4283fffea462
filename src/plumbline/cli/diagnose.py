"""`plumb diagnose` and `plumb run`: report on standard output, progress on standard error, verdict as exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plumbline.cli.failure import failures

if TYPE_CHECKING:
    from plumbline.diagnosis.report import Report
    from plumbline.diagnosis.runner import Runner
    from plumbline.evidence import Endpoint

FORMATS = ("human", "json", "junit", "prometheus", "nagios", "markdown")
F = TypeVar("F", bound=Callable[..., Any])


def _options(command: F) -> F:
    """Add what `diagnose` and `run` have in common."""
    for option in reversed(
        (
            click.option(
                "--target", metavar="TARGET", help="Name in plumbline.toml, URL, pid:N or admin socket. [lab]"
            ),
            click.option("--format", "format_", type=click.Choice(FORMATS), default="human", show_default=True),
            click.option("--plan", is_flag=True, help="Show what would be read, and read nothing."),
            click.option("--strict", is_flag=True, help="Exit 3 when the worst is a warning."),
            click.option(
                "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Upper bound for each."
            ),
        )
    ):
        command = option(command)
    return command


@click.command(epilog="Exit codes: 0 ok, 1 critical, 2 usage, 3 warning (--strict), 4 incomplete, 5 nothing matched.")
@click.argument("selectors", nargs=-1, metavar="[ID|AREA|GLOB]...")
@_options
@click.option("--jobs", type=click.IntRange(1, 64), default=6, show_default=True, help="Diagnostics at the same time.")
@click.pass_obj
def diagnose(
    obj: dict[str, Any],
    selectors: tuple[str, ...],
    target: str | None,
    format_: str,
    plan: bool,
    strict: bool,
    timeout: float | None,
    jobs: int,
) -> None:
    """Run diagnostics against the lab or your own platform.

    Without arguments all of them run; SELECTORS name an id (streaming.slow-consumer), an area (host)
    or a glob ('*queue*').
    Nothing is changed on the target: diagnostics read, in confined processes.
    """
    with failures(nagios=format_ == "nagios"):
        from plumbline.catalogue import locate
        from plumbline.diagnosis.catalogue import load, origins
        from plumbline.diagnosis.runner import Runner
        from plumbline.diagnosis.select import match
        from plumbline.diagnosis.targets import resolve

        catalogue = locate(obj.get("catalogue"))
        ids = match([origin.id for origin in origins(catalogue)], selectors)
        endpoint = resolve(target)
        if plan:
            _plan([one for one in load(catalogue) if one.id in ids], endpoint)
            return
        with Runner(catalogue, jobs=jobs) as runner:
            _conclude(_run(runner, ids, endpoint, timeout), format_, strict=strict)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@_options
def run(file: Path, target: str | None, format_: str, plan: bool, strict: bool, timeout: float | None) -> None:
    """Run one diagnostic FILE, which may lie in any catalogue.

    Diagnostics begin with '#!/usr/bin/env -S plumb run', so an executable one can be called by its own name.
    """
    with failures(nagios=format_ == "nagios"):
        from plumbline.diagnosis.catalogue import load_origin, of_file
        from plumbline.diagnosis.runner import Runner
        from plumbline.diagnosis.targets import resolve

        diagnostic = load_origin(of_file(file))
        endpoint = resolve(target)
        if plan:
            _plan([diagnostic], endpoint)
            return
        with Runner([diagnostic], jobs=1) as runner:
            _conclude(_run(runner, None, endpoint, timeout), format_, strict=strict)


def _run(runner: Runner, ids: Iterable[str] | None, endpoint: Endpoint, timeout_s: float | None) -> Report:
    from plumbline.diagnosis.progress import Progress

    with Progress(sys.stderr, live=sys.stderr.isatty()) as progress:
        return runner.run(ids, endpoint, progress, timeout_s)


def _conclude(report: Report, format_: str, *, strict: bool) -> None:
    write(report, format_)
    if not report.results:
        click.echo("plumb: no diagnostic matches; 'plumb diagnose --plan' lists them all", err=True)
    if format_ == "nagios":
        from plumbline.diagnosis.formats.nagios import exit_code

        sys.exit(exit_code(report))
    sys.exit(report.exit_code(strict=strict))


def write(report: Report, format_: str) -> None:
    """Write the report to standard output, with colours where it is a terminal."""
    if format_ == "human":
        from rich.console import Console

        from plumbline.diagnosis.formats.human import WIDTH, show

        show(report, Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH))
    else:
        from plumbline.diagnosis.formats import render

        click.echo(render(report, format_), nl=False)


def _plan(chosen: list[Any], endpoint: Endpoint) -> None:
    """Say for every diagnostic what it would read on this target, in the order of trying."""
    from plumbline.diagnosis.plan import plan

    for line in plan(chosen, endpoint):
        click.echo(line)
    if not chosen:
        click.echo("plumb: no diagnostic matches", err=True)
        sys.exit(5)
