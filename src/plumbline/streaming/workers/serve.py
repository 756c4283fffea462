"""`plumb gateway serve --workers …`: the options, and the supervisor's run until it is told to stop."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.options import BadInputError, settings_from

OWN = frozenset(
    {"listen", "admin", "workers", "pin", "metrics_listen", "autoscale", "inside", "reuse_port", "listen_fd"}
)
CONNECTIONS_FILLED = 0.7  # of what one worker may hold: starting one takes time, and clients go on coming
DELIVERIES_PER_WORKER = 30_000  # a second: a start, for small messages; measure your own and write a policy
SPARE_FILES = 100  # descriptors of a worker that are no connections


@dataclass(frozen=True, slots=True)
class Count:
    """How many workers: between `low` and `high`, and `low` at first."""

    low: int
    high: int

    @classmethod
    def parse(cls, text: str) -> Count:
        """Read `N`, `auto` (one for each processor this process may use) or `MIN..MAX`.

        Raises:
            ValueError: It is none of these.
        """
        low, dots, high = text.partition("..")
        if text == "auto":
            return cls(processors(), processors())
        if not low.isdecimal() or (dots and not high.isdecimal()):
            raise ValueError(f"'{text}' is no number of workers; write 2, auto or 2..8")
        count = cls(int(low), int(high or low))
        if not 1 <= count.low <= count.high <= 256:
            raise ValueError(f"'{text}' is no number of workers: there may be 1 to 256, the smaller number first")
        return count


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def words(context: click.Context) -> list[str]:
    """Return the command line's words that workers need too; what came from the environment they inherit."""
    found: list[str] = []
    for option in context.command.params:
        value = context.params.get(option.name or "")
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if option.name in OWN or not given or not isinstance(option, click.Option):
            continue
        if option.is_flag:
            found.append((option.opts if value else option.secondary_opts)[0])
        else:
            values: Any = value if option.multiple else [value]
            found += [word for one in values for word in (option.opts[0], str(one))]
    return found


def policy_for(count: Count, file: Path | None, settings: Settings) -> Any:
    """Return the autoscaling policy: the file's, or the default between the two numbers; None if they are the same.

    Raises:
        PolicyError: The file is wrong.
    """
    import resource

    from plumbline.streaming.autoscaling.policy import Policy

    if file is not None:
        return Policy.load(file)
    if count.low == count.high:
        return None
    drain_s = max(1, round(settings.drain_s))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES
    most = max(1.0, CONNECTIONS_FILLED * min(settings.max_connections, files))
    metrics = [
        {"name": "connections", "average_value": most},
        {"name": "deliveries_per_second", "average_value": DELIVERIES_PER_WORKER},
    ]
    down = {"rates": [{"type": "pods", "value": 1, "period_s": min(1800, drain_s)}]}
    return Policy.read({"min_replicas": count.low, "max_replicas": count.high, "metrics": metrics, "down": down})


OPTIONS = (
    click.option(
        "--workers",
        metavar="N|auto|MIN..MAX",
        help="Worker processes that share the port; auto: one for each processor; MIN..MAX: as the load needs.",
    ),
    click.option("--pin", is_flag=True, help="Bind each worker to one processor."),
    click.option(
        "--metrics-listen",
        default="127.0.0.1:0",
        show_default=True,
        metavar="HOST:PORT",
        help="Where all workers' metrics are served together (with --workers).",
    ),
    click.option(
        "--autoscale",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="YAML or TOML policy for the number of workers (with --workers).",
    ),
    click.option("--inside", hidden=True, help="What a supervisor tells its worker."),
)


def worker_options(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of workers; with `--workers` it runs a supervisor instead of itself."""

    @functools.wraps(run)
    def either(
        *,
        workers: str | None,
        pin: bool,
        metrics_listen: str,
        autoscale: Path | None,
        inside: str | None,
        **rest: Any,
    ) -> None:
        if workers is not None:
            run_workers(click.get_current_context(), workers, pin, metrics_listen, autoscale)
            return
        if pin or autoscale is not None:
            raise BadInputError("--pin and --autoscale are for several workers; say how many: --workers 2..8")
        found = None
        if inside is not None:
            from plumbline.streaming.workers.inside import Inside

            found = Inside.parse(inside)
        run(inside=found, **rest)

    for option in reversed(OPTIONS):
        either = option(either)
    return either


def run_workers(context: click.Context, workers: str, pin: bool, metrics: str, autoscale: Path | None) -> None:
    """Run a supervisor for this command line.

    Raises:
        click.ClickException: It is wrong, or cannot be done.
    """
    given = context.params
    settings = settings_from(given["config"], given["overrides"])
    if given.get("listen_fd") is not None:
        raise BadInputError("--workers opens its own listening sockets; leave --listen-fd out")
    try:
        import uvloop

        from plumbline.streaming.server import log

        wishes = wishes_of(context, Count.parse(workers), pin, metrics, autoscale, settings)
    except ImportError as error:
        raise click.ClickException(
            f"workers need {error.name}, which is not installed; pip install 'plumbline[streaming]' has it"
        ) from None
    except ValueError as error:  # PolicyError too
        raise BadInputError(str(error)) from None
    log.to_stderr()
    uvloop.run(supervise(wishes, settings, lambda: settings_from(given["config"], given["overrides"])))


def wishes_of(
    context: click.Context, count: Count, pin: bool, metrics: str, autoscale: Path | None, settings: Settings
) -> Any:
    """Return what the supervisor is asked for.

    Raises:
        ValueError: An address, the policy or the lack of safety is in the way.
    """
    from plumbline.streaming.core.address import Address
    from plumbline.streaming.server.tuning import demand_safety
    from plumbline.streaming.workers.supervisor import Wishes

    given = context.params
    policy = policy_for(count, autoscale, settings)
    address = Address.parse(given["listen"], allow_remote=given["allow_remote"])
    if not address.local and not given["insecure"]:
        demand_safety(address, settings)
    return Wishes(
        address=address,
        metrics=Address.parse(metrics, allow_remote=given["allow_remote"]),
        admin=given["admin"],
        words=words(context),
        count=count.low,
        policy=policy,
        read_policy=lambda: policy_for(count, autoscale, settings),
        pin=pin,
        relay=not given.get("broker"),
    )


async def supervise(wishes: Any, settings: Settings, read: Callable[[], Settings]) -> None:
    """Run a supervisor until SIGTERM (drain) or SIGINT (at once).

    Raises:
        click.ClickException: It cannot start.
    """
    from plumbline.streaming.workers.pool import StartError
    from plumbline.streaming.workers.supervisor import Supervisor

    loop = asyncio.get_running_loop()
    try:
        supervisor = Supervisor(wishes, settings, read)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {wishes.address}: {error.strerror or error}") from None
    loop.add_signal_handler(signal.SIGTERM, supervisor.end)
    loop.add_signal_handler(signal.SIGINT, supervisor.end, 0.0)
    try:
        await supervisor.start()
    except StartError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        place = error.filename or wishes.metrics
        raise click.ClickException(f"cannot listen on {place}: {error.strerror or error}") from None
    loop.add_signal_handler(signal.SIGHUP, _reload, supervisor)
    try:
        sys.stdout.write(json.dumps({"event": "ready", **supervisor.ready}) + "\n")
        sys.stdout.flush()
        await supervisor.told.wait()
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        await supervisor.stop(supervisor.within_s)


def _reload(supervisor: Any) -> None:
    from plumbline.streaming.autoscaling.policy import PolicyError
    from plumbline.streaming.server import log

    try:
        supervisor.reload()
    except click.ClickException as error:
        log.event(logging.ERROR, "reload failed", because=error.format_message())
    except PolicyError as error:
        log.event(logging.ERROR, "reload failed", because=error)
