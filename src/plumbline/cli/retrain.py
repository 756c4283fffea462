"""`plumb retrain`: look at a model in production, decide whether to train it again, start that, remember why."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.refusals import refusals

if TYPE_CHECKING:
    from plumbline.deployment.retraining.decide import Decision
    from plumbline.deployment.retraining.declaration import Retraining
    from plumbline.deployment.retraining.observations import Sight
    from plumbline.deployment.retraining.state import Run, Store
    from plumbline.deployment.retraining.trigger import Result

EXIT_FAILED = 3
FILE = click.argument("file", type=click.Path(path_type=Path), metavar="RETRAINING.yml")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
DRY = click.option("--dry-run", is_flag=True, help="Look and decide; remember nothing, start nothing.")
CLOCK = click.option("--trust-clock", is_flag=True, help="A look is remembered from later than now: now is right.")


@click.group()
def retrain() -> None:
    """Train again when the world has changed; not when a signal trembles, and not to cover up a bug."""


@retrain.command()
@FILE
@DRY
@CLOCK
@JSON
def check(file: Path, dry_run: bool, trust_clock: bool, as_json: bool) -> None:
    """Look and decide. Remembers since when each rule holds, but starts nothing."""
    with refusals():
        from plumbline.deployment.retraining.decide import decide

        setting, store = _opened(file)
        _mend_clock(setting, store, wanted=trust_clock and not dry_run)
        sight = _observe(setting)
        seen = sight.observation
        if dry_run:
            _, decision = decide(setting.rules, store.state(setting.rules.model), seen)
        else:
            decision, _ = store.look(setting.rules, seen, start=False)
    _tell(decision, sight, as_json=as_json)


@retrain.command(epilog="Exit codes: 0 nothing to do, or the run went well; 1 cannot look; 2 usage; 3 the run failed.")
@FILE
@DRY
@CLOCK
@JSON
def run(file: Path, dry_run: bool, trust_clock: bool, as_json: bool) -> None:
    """Look, decide, and when it is time start the pipeline and wait for its end. For cron or a systemd timer."""
    if dry_run:
        click.get_current_context().invoke(check, file=file, dry_run=True, trust_clock=trust_clock, as_json=as_json)
        return
    with refusals():
        from plumbline.deployment.retraining.trigger import command
        from plumbline.deployment.retraining.trigger import retrain as begin

        setting, store = _opened(file)
        _mend_clock(setting, store, wanted=trust_clock)
        sight = _observe(setting)
        moment = datetime.fromtimestamp(sight.observation.at, UTC).strftime("%Y%m%dT%H%M%SZ")
        output = store.path.parent / "runs" / f"{setting.rules.model}-{moment}.log"
        start = command(setting.start, output, setting.folder, setting.timeout_s)
        result = begin(store, setting.rules, sight.observation, _announced(start, output, quiet=as_json))
    _tell(result.decision, sight, as_json=as_json, result=result, output=output)
    if result.ended is not None and not result.ended.well:
        sys.exit(EXIT_FAILED)


@retrain.command()
@FILE
@JSON
def status(file: Path, as_json: bool) -> None:
    """Say what the last look found, which rules hold since when, and whether a training runs."""
    with refusals():
        setting, store = _opened(file)
        model = setting.rules.model
        state, looks, runs = store.state(model), store.looks(model, 1), store.runs(model)
        with store.alone(model) as free:
            running = free is None
    found = {
        "model": model,
        "running": running,
        "holding_since": state.since,
        "last_look": {"at": looks[0].at, "act": looks[0].act, "sentence": looks[0].sentence} if looks else None,
        "last_run": _run(runs[0], running=running) if runs else None,
        "trainings_in_budget": len([at for at in state.started if state.seen_at - at < setting.rules.budget_s]),
        "budget": setting.rules.budget_runs,
    }
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(f"{model}: " + (f"{looks[0].act}. {looks[0].sentence}" if looks else "nobody has looked yet."))
    for name, since in state.since.items():
        click.echo(f"Rule {name} holds since {_time(since)}.")
    if runs:
        click.echo(f"Last training: {_time(runs[0].started_at)}, {_run(runs[0], running=running)['outcome']}.")
    click.echo(f"{found['trainings_in_budget']} of {found['budget']} trainings of the budget are used.")


@retrain.command()
@FILE
@click.option("--looks", is_flag=True, help="Show the last looks, too.")
@JSON
def history(file: Path, looks: bool, as_json: bool) -> None:
    """List trainings that were started: when, why, and how each ended."""
    with refusals():
        setting, store = _opened(file)
        model = setting.rules.model
        runs, seen = store.runs(model), store.looks(model) if looks else []
        with store.alone(model) as free:
            running = free is None
    rows = [_run(one, running=running) for one in runs]
    if as_json:
        told = [{"at": one.at, "act": one.act, "sentence": one.sentence} for one in seen]
        click.echo(json.dumps({"model": model, "runs": rows, **({"looks": told} if looks else {})}, indent=1))
        return
    if not rows:
        click.echo(f"No training of {model} was started yet.")
    for one in rows:
        detail = f" ({one['detail']})" if one["detail"] else ""
        click.echo(f"{one['id']:>4}  {_time(one['started_at'])}  {one['outcome']:<8}{one['why']}{detail}")
    for each in seen:
        click.echo(f"look  {_time(each.at)}  {each.act:<12}{each.sentence}")


def _opened(file: Path) -> tuple[Retraining, Store]:
    from plumbline.catalogue import state_folder
    from plumbline.deployment.retraining.declaration import load
    from plumbline.deployment.retraining.state import Store

    setting = load(file)
    if setting.sources.registry == "":
        url = os.environ.get("PLUMBLINE_REGISTRY") or str(state_folder() / "registry")
        setting = replace(setting, sources=replace(setting.sources, registry=url))
    return setting, Store(setting.state or state_folder() / "retraining" / "retraining.db")


def _observe(setting: Retraining) -> Sight:
    from plumbline.deployment.retraining.observations import observe

    return observe(setting, time.time())


def _mend_clock(setting: Retraining, store: Store, *, wanted: bool) -> None:
    if wanted:
        store.trust_clock(setting.rules.model, time.time())


def _announced(start: Callable[[str, int], Any], output: Path, *, quiet: bool) -> Callable[[str, int], Any]:
    def begin(why: str, lock: int) -> Any:
        if not quiet:
            click.echo(f"train: {why}\nStarted; its output goes to {output}.")
        return start(why, lock)

    return begin


def _tell(
    decision: Decision, sight: Sight, *, as_json: bool, result: Result | None = None, output: Path | None = None
) -> None:
    ended = result.ended if result else None
    if as_json:
        seen = sight.observation
        found = {
            "act": decision.act,
            "sentence": decision.sentence,
            "rules": list(decision.rules),
            "seen": {"at": seen.at, "measures": seen.measures, "labels": seen.labels, "trained_at": seen.trained_at},
            "bugs": list(seen.bugs),
            "missed": list(sight.missed),
            "run": result.run if result else None,
            "output": str(output) if ended else None,
            "outcome": None if ended is None else "done" if ended.well else "failed",
            "detail": ended.detail if ended else "",
        }
        click.echo(json.dumps(found, indent=1))
        return
    for one in sight.missed:
        click.echo(f"Not seen: {one}", err=True)
    if ended is None:
        click.echo(f"{decision.act}: {decision.sentence}")
    else:
        click.echo(
            "The training went well." if ended.well else f"The training failed: {ended.detail}", err=not ended.well
        )


def _run(one: Run, *, running: bool) -> dict[str, Any]:
    outcome = one.outcome if one.outcome != "running" or running else "lost"
    return {
        "id": one.id,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "outcome": outcome,
        "why": one.why,
        "rules": list(one.rules),
        "seen": json.loads(one.seen),
        "detail": one.detail,
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
