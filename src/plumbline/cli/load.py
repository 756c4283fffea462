"""`plumb load`: load a gateway, or any WebSocket server, and say which limit binds."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from plumbline.streaming.load.run import Options
    from plumbline.streaming.load.scenario import Scenario

EXIT_LOST, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_INCOMPLETE = 1, 2, 130, 4
_count = click.IntRange(min=0)
_rate = click.FloatRange(min=0)


@click.command(
    epilog="Exit codes: 0 nothing lost, 1 messages lost, 2 usage, 4 incomplete or nobody connected, 130 interrupted."
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("--lab", is_flag=True, help="Start a gateway of one's own on a free port and load that.")
@click.option("--lab-option", "lab_options", multiple=True, metavar="WORD", help="Give the lab's gateway this option.")
@click.option("--scenario", "file", type=click.Path(path_type=Path), metavar="FILE", help="TOML file with the run.")
@click.option("--dialect", metavar="NAME", help="plumbline, nats, mqtt, broadcast or echo.  [plumbline]")
@click.option("--connections", type=_count, metavar="N", help="Readers.  [100]")
@click.option("--ramp", type=_rate, metavar="PER_S", help="New connections per second.  [1000]")
@click.option("--hold", type=_rate, metavar="S", help="Time with heartbeats alone.  [0]")
@click.option("--seconds", type=_rate, metavar="S", help="Time with messages.  [10]")
@click.option("--channels", type=_count, metavar="N", help="Small channels.  [10]")
@click.option("--readers", type=_count, metavar="N", help="Readers of each small channel.  [10]")
@click.option("--rate", type=_rate, metavar="PER_S", help="Messages per second into the small channels.  [10]")
@click.option("--large", type=_rate, metavar="PER_S", help="Messages per second into one channel that all read.  [0]")
@click.option("--requests", type=_rate, metavar="PER_S", help="Requests per second, each answered.  [0]")
@click.option("--bytes", "size", type=_count, metavar="N", help="Size of a message.  [128]")
@click.option("--churn", type=_rate, metavar="PER_S", help="Connections per second that leave and come back.  [0]")
@click.option("--slow", type=_count, metavar="N", help="Readers that stop reading.  [0]")
@click.option("--storm", type=_rate, metavar="SHARE", help="At the end, cut this share and let it come back at once.")
@click.option("--fault", "faults", multiple=True, metavar="NAME@S", help="kill-worker@60, restart-broker@20=run:CMD …")
@click.option("--pid", "pids", type=int, multiple=True, metavar="N", help="Server process to watch, with children.")
@click.option("--admin", "admins", multiple=True, metavar="PATH", help="Admin socket of a gateway to watch.")
@click.option("--own", multiple=True, metavar="HOST", help="Load this host, which is not this machine: it is mine.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, help="Generator processes, at least.  [1]")
@click.option("--token-env", metavar="NAME", help="Environment variable with a bearer token.")
@click.option("--ca", "authority", metavar="FILE", help="Certificate authority of wss:// servers.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as HTML.")
def load(**given: Any) -> None:
    """Load URLs with real connections, and say what arrived, how late, and which limit binds.

    Messages go out on a schedule that a stalled server cannot slow down, and latency counts from the time each
    was due. Load goes to loopback only, unless --own names another host as yours. Ctrl-C ends the run and
    reports what was measured so far.
    """
    try:
        from plumbline.streaming.load.errors import LoadError
    except ImportError as error:
        raise click.ClickException(f"the generator needs {error.name}: pip install 'plumbline[load]'") from None
    try:
        report, interrupted = _do(given)
    except LoadError as error:
        click.echo(f"plumb load: {error}", err=True)
        sys.exit(EXIT_USAGE)
    _write(report, given["json_file"], given["html_file"])
    sys.exit(_exit_code(report, interrupted=interrupted))


def _do(given: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    from plumbline.lab.keeper.tether import tether
    from plumbline.streaming.load import faults
    from plumbline.streaming.load.errors import LoadError
    from plumbline.streaming.load.run import Options
    from plumbline.streaming.load.standing import gateway

    scenario = _scenario(given)
    _writable(given)
    with ExitStack() as stack:
        urls, admins, pids = given["urls"], given["admins"], given["pids"]
        struck = tuple(faults.parse(text) for text in given["faults"])
        if given["lab"]:
            if urls:
                raise LoadError("--lab starts its own server; leave the URL out, or leave --lab out")
            standing = stack.enter_context(gateway(given["lab_options"], bind=tether()))
            urls, admins, pids = (standing.url,), (standing.admin,), (standing.pid,)
        return _run(
            scenario,
            Options(
                urls=tuple(urls),
                own=given["own"],
                pids=tuple(pids),
                admins=tuple(admins),
                faults=struck,
                processes=given["processes"],
                token_env=given["token_env"],
                authority=given["authority"],
            ),
        )


def _run(scenario: Scenario, options: Options) -> tuple[dict[str, Any], bool]:
    import asyncio
    import signal

    from plumbline.streaming.load.progress import Progress
    from plumbline.streaming.load.run import Run

    async def whole() -> dict[str, Any]:
        with Progress(sys.stderr, live=sys.stderr.isatty()) as progress:
            run = Run(scenario, options, progress)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, run.stop)
            return await run()

    report = asyncio.run(whole())
    return report, bool(report["interrupted"])


def _scenario(given: dict[str, Any]) -> Scenario:
    from plumbline.streaming.load.errors import LoadError
    from plumbline.streaming.load.quick import OPTIONS, quick
    from plumbline.streaming.load.scenario import from_file

    chosen = {key: given[key] for key in OPTIONS if given[key] is not None}
    if given["file"] is None:
        return quick(chosen)
    if chosen:
        raise LoadError(f"--scenario has the whole run; leave {', '.join('--' + _flag(key) for key in chosen)} out")
    return from_file(given["file"])


def _flag(key: str) -> str:
    return {"size": "bytes"}.get(key, key)


def _writable(given: dict[str, Any]) -> None:
    """Say before the run, not after it, that a report cannot be written."""
    from plumbline.streaming.load.errors import LoadError

    for path in (given["json_file"], given["html_file"]):
        if path is not None and not path.parent.is_dir():
            raise LoadError(f"{path}: there is no folder {path.parent}")


def _write(report: dict[str, Any], json_file: Path | None, html_file: Path | None) -> None:
    from plumbline.streaming.load.report.words import words

    click.echo(words(report))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if html_file is not None:
        from plumbline.streaming.load.report.page import page

        html_file.write_text(page(report), encoding="utf-8")


def _exit_code(report: dict[str, Any], *, interrupted: bool) -> int:
    if interrupted:
        return EXIT_INTERRUPTED
    if not report["complete"]:
        return EXIT_INCOMPLETE
    return EXIT_LOST if report["ledger"]["lost"] else 0
