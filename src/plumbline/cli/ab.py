"""`plumb ab`: plan an A/B test, assign units, log what came of it, and say what may be concluded."""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from plumbline.cli.refusals import refusals

if TYPE_CHECKING:
    from plumbline.deployment.experiments.declaration import Experiment
    from plumbline.deployment.experiments.foresight import Forecast

EXIT_HARM, EXIT_UNKNOWN = 3, 4
BATCH = 1_000  # entries that one write takes to the log
FILE = click.argument("file", type=click.Path(path_type=Path), metavar="EXPERIMENT.yml")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
OUT = click.Path(path_type=Path, dir_okay=False)


@click.group()
def ab() -> None:
    """Compare versions on real users: plan, assign, log, look as often as you like, decide."""


@ab.command()
@FILE
@JSON
def plan(file: Path, as_json: bool) -> None:
    """Say before the start what the experiment will be able to see, and how many units it would need."""
    with refusals():
        from plumbline.deployment.experiments.foresight import enough, foresee

        experiment = _load(file)
        forecasts = foresee(experiment.plan, experiment.expectations)
        verdict, sentence = enough(experiment.plan, forecasts)
    days = experiment.plan.units / experiment.units_per_day if experiment.units_per_day else None
    if as_json:
        metrics = [_forecast(one) for one in forecasts]
        found = {"experiment": experiment.plan.name, "units": experiment.plan.units, "days": days, "enough": verdict}
        click.echo(json.dumps({**found, "sentence": sentence, "metrics": metrics}, indent=1))
        return
    rows = [_row(experiment, one) for one in forecasts]
    heads = ("metric", "treatment", "shows from", "wanted", "units for that", "days")
    _table(f"{experiment.plan.name}: {experiment.plan.units:,} units", heads, rows)
    click.echo(sentence + (f" They take {days:.3g} days{_wait(experiment)}." if days else ""))


@ab.command()
@FILE
@click.argument("units", nargs=-1, required=True, metavar="UNIT…")
@click.option("--log", "logged", is_flag=True, help="Log that each has met its arm.")
@click.option("--dimension", "dimensions", multiple=True, metavar="NAME=VALUE", help="What the units are; with --log.")
@JSON
def assign(file: Path, units: tuple[str, ...], logged: bool, dimensions: tuple[str, ...], as_json: bool) -> None:
    """Print each unit's arm: the same on every machine, after every restart."""
    parts = dict(_pair(one) for one in dimensions)
    with refusals():
        from plumbline.deployment.experiments.assignment import assign as assigned
        from plumbline.deployment.experiments.intake import exposure
        from plumbline.deployment.experiments.log import Log

        experiment = _load(file)
        arms = {unit: assigned(experiment.plan, unit) for unit in units}
        if logged:
            met = [exposure(experiment.plan, unit, time.time(), parts) for unit in units]
            with Log(experiment.log, sync_s=experiment.sync_s) as log:
                log.add(*met)
    if as_json:
        click.echo(
            json.dumps({unit: {"arm": arm.name, "version": arm.version} for unit, arm in arms.items()}, indent=1)
        )
        return
    for unit, arm in arms.items():
        click.echo("\t".join(filter(None, (unit, arm.name, arm.version))))


@ab.command("log")
@FILE
@click.argument("lines", type=click.File("rb"), default="-", metavar="[LINES.jsonl]")
def log_lines(file: Path, lines: BinaryIO) -> None:
    """Append exposures and outcomes, one JSON object a line, from a file or standard input.

    {"unit": "u1"} is an exposure of u1 to its arm; {"unit": "u1", "metric": "bought", "value": 1} an outcome.
    "at" (Unix time) is now by default; "dimensions" of an exposure are looked at as parts of the population.
    """
    with refusals():
        from plumbline.deployment.core.errors import DeploymentError
        from plumbline.deployment.experiments.intake import entries
        from plumbline.deployment.experiments.log import Log

        experiment, count = _load(file), 0
        source = entries(experiment.plan, lines, time.time(), getattr(lines, "name", "<stdin>"))
        try:
            with Log(experiment.log, sync_s=experiment.sync_s) as log:
                while some := list(islice(source, BATCH)):
                    log.add(*some)
                    count += len(some)
        except DeploymentError as error:
            raise click.ClickException(f"{error.sentence} ({count:,} entries were logged before)") from error
    click.echo(f"{count:,} {'entry is' if count == 1 else 'entries are'} in {experiment.log}.")


@ab.command(epilog="Exit codes: 0 ship, go on or no gain; 1 failed; 2 usage; 3 stop for harm; 4 cannot tell.")
@FILE
@JSON
def status(file: Path, as_json: bool) -> None:
    """Say what may be concluded now. Looking costs nothing: the error holds over all looks."""
    with refusals():
        from plumbline.deployment.experiments.analysis import analyse
        from plumbline.deployment.experiments.log import read
        from plumbline.deployment.experiments.report.record import record

        experiment = _load(file)
        found = record(experiment.plan, analyse(experiment.plan, read(experiment.log)))
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        _show(found)
    sys.exit(_exit_code(found["advice"]))


@ab.command(epilog="Exit codes: 0 written; 1 failed; 2 usage.")
@FILE
@click.option("--html", "html_file", type=OUT, metavar="FILE", help="Write the page with plots.")
@click.option("--json", "json_file", type=OUT, metavar="FILE", help="Write all of it as JSON.")
def report(file: Path, html_file: Path | None, json_file: Path | None) -> None:
    """Write the report: the recommendation, effects over time, shares of the arms, the plan."""
    if html_file is None and json_file is None:
        html_file = file.with_suffix(".html")
    with refusals():
        from plumbline.deployment.experiments.analysis import analyse, compiled
        from plumbline.deployment.experiments.course import course
        from plumbline.deployment.experiments.log import read
        from plumbline.deployment.experiments.report.page import page
        from plumbline.deployment.experiments.report.record import record

        experiment = _load(file)
        known = compiled(experiment.plan, read(experiment.log))
        found = record(experiment.plan, analyse(experiment.plan, known), course(known))
    click.echo(f"{found['headline']}. {found['sentence']}")
    _write(json_file, json.dumps(found, indent=1) + "\n")
    _write(html_file, page(found))


def _load(file: Path) -> Experiment:
    from plumbline.deployment.experiments.declaration import load

    return load(file)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise click.BadParameter(f"'{text}': expected NAME=VALUE, such as platform=ios", param_hint="--dimension")
    return name, value


def _forecast(one: Forecast) -> dict[str, Any]:
    return {
        "metric": one.metric.name,
        "treatment": one.treatment,
        "guardrail": one.metric.guardrail,
        "detectable": one.detectable,
        "wanted": one.wanted,
        "needed_units": one.needed,
    }


def _wait(experiment: Experiment) -> str:
    from plumbline.deployment.core.durations import told

    longest = max((one.within_s or 0.0 for one in experiment.plan.metrics), default=0.0)
    return f", and {told(longest)} more until the last have had their time" if longest else ""


def _row(experiment: Experiment, one: Forecast) -> list[str]:
    days = one.needed / experiment.units_per_day if one.needed and experiment.units_per_day else None
    figures = (one.detectable, one.wanted)
    return [
        one.metric.name + (" (guardrail)" if one.metric.guardrail else ""),
        one.treatment,
        *("-" if value is None else f"{value:.3g}" for value in figures),
        "-" if one.needed is None else f"{one.needed:,}",
        "-" if days is None else f"{days:.3g}",
    ]


def _show(found: dict[str, Any]) -> None:
    click.echo(f"{found['headline']}. {found['sentence']}")
    sizes = ", ".join(f"{count:,} in {arm}" for arm, count in found["sizes"].items())
    click.echo(f"Units: {sizes}; p of the balance at every look {found['balance']['p_anytime']:.3g}.")
    if found["torn_lines"]:
        click.echo(f"{found['torn_lines']:,} lines of the log were cut off by a crash and are left out.")
    rows = [
        [
            one["metric"] + (" (guardrail)" if one["role"] == "guardrail" else ""),
            one["treatment"],
            f"{one['control_mean']:.4g}",
            f"{one['treatment_mean']:.4g}",
            "-" if one["low"] is None else f"{one['low']:+.3g} and {one['high']:+.3g}",
            one["standing"],
        ]
        for one in found["readings"]
    ]
    if rows:
        _table("", ("metric", "treatment", "control's", "its own", "difference between", "stands"), rows)


def _table(title: str, heads: tuple[str, ...], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*heads, title=title or None, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}; the report is not written") from None
    click.echo(f"{path} is written.")


def _exit_code(advice: str) -> int:
    return {"stop": EXIT_HARM, "void": EXIT_UNKNOWN, "cannot-tell": EXIT_UNKNOWN}.get(advice, 0)
