"""`plumb autoscale`: try a policy on a recorded or made load, render it for Kubernetes, record a load."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from plumbline.streaming.autoscaling.loads import Load
    from plumbline.streaming.autoscaling.policy import Policy
    from plumbline.streaming.autoscaling.simulate import Simulation, World

POLICIES = 4
PATH = click.Path(path_type=Path)


class BadInputError(click.ClickException):
    """What the user asked for cannot be done as asked; one sentence, exit code 2."""

    exit_code = 2


@click.group()
def autoscale() -> None:
    """Try an autoscaling policy on a load; render it for Kubernetes; record a load."""


@autoscale.command()
@click.argument("policies", nargs=-1, required=True, metavar="POLICY…", type=PATH)
@click.option(
    "--load",
    "source",
    default="daily",
    show_default=True,
    metavar="SHAPE|FILE.csv",
    help="daily, square, step, spike, or a recorded load (see `record`).",
)
@click.option("--low", default=2000.0, show_default=True, help="Fewest connections of a shape.")
@click.option("--high", default=20000.0, show_default=True, help="Most connections of a shape.")
@click.option(
    "--period", "period_s", default=None, type=float, metavar="SECONDS", help="Of one wave; when a step or spike comes."
)
@click.option(
    "--duration", "duration_s", default=None, type=float, metavar="SECONDS", help="Of a shape.  [a day; else two hours]"
)
@click.option("--deliveries", default=0.1, show_default=True, help="Messages per second and connection, of a shape.")
@click.option("--startup", default=20.0, show_default=True, metavar="SECONDS", help="From asked for to ready.")
@click.option(
    "--drain", default=60.0, show_default=True, metavar="SECONDS", help="Over which a replica sends its clients away."
)
@click.option(
    "--lifetime",
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="Mean lifetime of a connection; 0: for ever.",
)
@click.option(
    "--spread",
    type=click.Choice(["least", "even"]),
    default="least",
    show_default=True,
    help="Where new connections go.",
)
@click.option(
    "--victim",
    type=click.Choice(["newest", "fewest"]),
    default="newest",
    show_default=True,
    help="Which replica goes first.",
)
@click.option(
    "--delay", default=15.0, show_default=True, metavar="SECONDS", help="Age of the metrics when they are judged."
)
@click.option(
    "--capacity", default=None, type=click.FloatRange(min=1), metavar="CONNECTIONS", help="That one replica bears."
)
@click.option("--price", default=0.0, show_default=True, help="Of one replica for an hour.")
@click.option("--out", type=PATH, help="Folder for report.html and result.json.")
def simulate(policies: tuple[Path, ...], source: str, out: Path | None, price: float, **given: Any) -> None:
    """Replay a load through one policy, or up to four beside each other.

    Sockets are not requests: old connections stay where they are, and a replica that goes sends all of its clients
    elsewhere. So look at the fullest replica and at the reconnects, not at the average.
    """
    from plumbline.streaming.autoscaling import simulate as simulation

    if len(policies) > POLICIES:
        raise BadInputError(f"{POLICIES} policies can be told apart in a picture, not {len(policies)}")
    read = {path: _policy(path) for path in policies}
    load, world = _load(source, given), _world(given, price)
    results = {_name(path, policies): simulation.simulate(policy, load, world) for path, policy in read.items()}
    _show(results, load)
    if out is not None:
        _write(out, results, load, price)


@autoscale.command()
@click.argument("policy", type=PATH)
@click.option("--kind", type=click.Choice(["hpa", "keda"]), default="hpa", show_default=True)
@click.option("--name", default="plumbline-gateway", show_default=True, help="Of the Deployment.")
@click.option("--namespace", default=None)
@click.option(
    "--prometheus", default="http://prometheus-operated.monitoring.svc:9090", show_default=True, metavar="URL"
)
def render(policy: Path, kind: str, name: str, namespace: str | None, prometheus: str) -> None:
    """Print the policy as a HorizontalPodAutoscaler, or as a KEDA ScaledObject."""
    import yaml

    from plumbline.streaming.autoscaling import render as rendering

    rules = _policy(policy)
    try:
        if kind == "hpa":
            made = rendering.hpa(rules, name=name, namespace=namespace)
        else:
            made = rendering.scaled_object(rules, name=name, namespace=namespace, prometheus=prometheus)
    except rendering.RenderError as error:
        raise BadInputError(f"{policy}: {error}") from None
    click.echo(yaml.safe_dump(made, sort_keys=False), nl=False)


@autoscale.command()
@click.option(
    "--admin",
    envvar="PLUMBLINE_ADMIN",
    required=True,
    metavar="PATH",
    help="The gateway's admin socket  [$PLUMBLINE_ADMIN].",
)
@click.option("--every", default=5.0, show_default=True, type=click.FloatRange(0.1, 3600), metavar="SECONDS")
@click.option(
    "--duration", default=3600.0, show_default=True, type=click.FloatRange(0.1, 31 * 86400), metavar="SECONDS"
)
def record(admin: str, every: float, duration: float) -> None:
    """Print a running gateway's load as CSV, to be replayed by `simulate --load FILE.csv`. Ctrl-C ends it."""
    from plumbline.streaming.probes.adminclient import AdminError
    from plumbline.streaming.probes.live import between, look

    click.echo("t_s,connections,deliveries_per_second")
    started = time.monotonic()
    before = None
    try:
        while True:
            now = look(admin)
            workers = between(before, now)
            before = now
            rate = sum(one.deliveries_per_s or 0.0 for one in workers)
            click.echo(f"{now.at - started:.1f},{sum(one.connections for one in workers)},{rate:.1f}")
            if now.at - started + every > duration:
                return
            time.sleep(every)
    except AdminError as error:
        raise click.ClickException(error.sentence) from None


def _policy(path: Path) -> Policy:
    from plumbline.streaming.autoscaling.policy import Policy, PolicyError

    try:
        return Policy.load(path)
    except PolicyError as error:
        raise BadInputError(str(error)) from None


def _name(path: Path, all_of_them: tuple[Path, ...]) -> str:
    return path.stem if sum(other.stem == path.stem for other in all_of_them) == 1 else str(path)


def _load(source: str, given: dict[str, Any]) -> Load:
    from plumbline.streaming.autoscaling.loads import SHAPES, LoadError, read, shape

    try:
        if source not in SHAPES and ("." in source or "/" in source):
            return read(Path(source))
        daily = source == "daily"
        duration = given["duration_s"] or (86400.0 if daily else 7200.0)
        period = given["period_s"] or (86400.0 if daily else 1200.0)
        sizes = {"low": given["low"], "high": given["high"], "per_connection": given["deliveries"]}
        return shape(source, period_s=period, duration_s=duration, **sizes)
    except LoadError as error:
        raise BadInputError(str(error)) from None


def _world(given: dict[str, Any], price: float) -> World:
    from plumbline.streaming.autoscaling.fleet import Habits
    from plumbline.streaming.autoscaling.simulate import World

    times = {key: given[key] for key in ("startup", "drain", "lifetime", "delay")}
    for name, value in times.items():
        if not 0 <= value < float("inf"):
            raise BadInputError(f"--{name}={value:g} is no time: it must be 0 or more seconds")
    habits = Habits(times["startup"], times["drain"], times["lifetime"], given["spread"], given["victim"])
    return World(habits, times["delay"], capacity_connections=given["capacity"], price_per_hour=price)


def _show(results: dict[str, Simulation], load: Load) -> None:
    from rich.console import Console
    from rich.table import Table

    from plumbline.streaming.autoscaling.report import cells

    table = Table("", *results, title=f"{load.name}, {load.duration_s / 3600:.1f} h, simulated", title_justify="left")
    columns = [dict(cells(one.summary)) for one in results.values()]
    for heading in columns[0]:
        table.add_row(heading, *(column.get(heading, "") for column in columns))
    Console().print(table)


def _write(out: Path, results: dict[str, Simulation], load: Load, price: float) -> None:
    from plumbline.streaming.autoscaling.report import html

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.html").write_text(html(results, load, price), encoding="utf-8")
        body: dict[str, Any] = {"load": load.name, "duration_s": load.duration_s}
        body["policies"] = {name: one.as_json() for name, one in results.items()}
        (out / "result.json").write_text(json.dumps(body) + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write to {out}: {error.strerror or error}") from None
    except ImportError as error:
        raise click.ClickException(f"the picture needs {error.name}; pip install 'plumbline[load]' has it") from None
    click.echo(f"{out / 'report.html'}: the picture, and each decision's reasons")
