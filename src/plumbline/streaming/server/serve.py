"""The command that runs a gateway until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.streaming.cluster.options import broker_from, cluster_options
from plumbline.streaming.core.broker import BrokerError
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.options import BadInputError, pairs, settings_from
from plumbline.streaming.workers.serve import worker_options

if TYPE_CHECKING:
    from plumbline.streaming.cluster.broker import ClusterOptions
    from plumbline.streaming.server.gateway import Gateway
    from plumbline.streaming.workers.inside import Inside

__all__ = ["BadInputError", "pairs", "serve", "settings_from"]


@click.command()
@click.option(
    "--listen", default="127.0.0.1:8765", show_default=True, metavar="HOST:PORT", help="Port 0 takes a free one."
)
@click.option("--admin", envvar="PLUMBLINE_ADMIN", metavar="PATH", help="Admin socket to make  [$PLUMBLINE_ADMIN].")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="TOML file of settings; SIGHUP reads it again."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting, over the file's.")
@click.option("--allow-remote", is_flag=True, help="Permit an address that other machines reach; needs TLS and tokens.")
@click.option("--insecure", is_flag=True, help="... without them: something in front has both.")
@click.option("--reuse-port", is_flag=True, help="Share the port with other gateways of this user (SO_REUSEPORT).")
@click.option(
    "--listen-fd", type=click.IntRange(min=3), metavar="FD", help="Serve this inherited listening socket (systemd: 3)."
)
@worker_options
@cluster_options
def serve(
    listen: str,
    admin: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    allow_remote: bool,
    insecure: bool,
    reuse_port: bool,
    listen_fd: int | None,
    inside: Inside | None,
    cluster: ClusterOptions | None,
) -> None:
    """Run a gateway in the foreground; one JSON line on stdout says when it accepts connections."""
    settings = settings_from(config, overrides)
    try:
        import uvloop

        from plumbline.streaming.server import log
        from plumbline.streaming.server.gateway import Gateway
    except ImportError as error:
        raise click.ClickException(
            f"the gateway needs {error.name}, which is not installed; pip install 'plumbline[streaming]' has it"
        ) from None
    log.to_stderr()
    if inside is not None:
        inside.settle()
    try:
        gateway = Gateway(
            settings,
            listen=listen,
            admin=admin,
            allow_remote=allow_remote,
            insecure=insecure,
            reuse_port=reuse_port,
            listen_fd=listen_fd,
            broker=broker_from(cluster, settings) or (inside.broker() if inside is not None else None),
        )
    except ValueError as error:
        raise BadInputError(str(error)) from None
    uvloop.run(_until_told(gateway, lambda: settings_from(config, overrides), inside))


async def _until_told(gateway: Gateway, read: Callable[[], Settings], inside: Inside | None) -> None:
    from plumbline.streaming.server.freezing import Freezing

    told = Told()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.to_drain)
    # A terminal's Ctrl-C reaches workers too, but it is their supervisor who says when they end.
    loop.add_signal_handler(signal.SIGINT, told.to_stop if inside is None else lambda: None)
    try:
        await gateway.start()
    except OSError as error:
        place = error.filename or gateway.address
        raise click.ClickException(f"cannot listen on {place}: {error.strerror or error}") from None
    except BrokerError as error:
        raise click.ClickException(error.message) from None
    except ValueError as error:
        raise BadInputError(str(error)) from None
    loop.add_signal_handler(signal.SIGHUP, _reload, gateway, read)
    if inside is not None:
        await inside.begin(gateway, told)
    freezing = Freezing(lambda: gateway.connections)
    try:
        ready = {"event": "ready", "url": gateway.url, "metrics": gateway.metrics_url, "pid": gateway.stats()["pid"]}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await told.obey(gateway)
    finally:
        freezing.stop()
        loop.remove_signal_handler(signal.SIGHUP)
        await gateway.stop()
        if inside is not None:
            inside.end(gateway)


class Told:
    """What the process was told by signals: to drain (SIGTERM), or to stop at once (SIGINT, or SIGTERM again)."""

    def __init__(self) -> None:
        self._drain = asyncio.Event()
        self._stop = asyncio.Event()

    def to_drain(self) -> None:
        """Drain; told twice, stop."""
        (self._stop if self._drain.is_set() else self._drain).set()

    def abandoned(self) -> None:
        """Drain, if that is not under way: a worker's supervisor is gone."""
        self._drain.set()

    def to_stop(self) -> None:
        """Stop at once."""
        self._stop.set()

    async def obey(self, gateway: Gateway) -> None:
        """Wait until the gateway has drained, or is to stop at once, or was stopped by way of its admin socket."""

        async def drained() -> None:
            await self._drain.wait()
            await gateway.drain()

        ways = [asyncio.ensure_future(way) for way in (drained(), self._stop.wait(), gateway.stopped.wait())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()


def _reload(gateway: Gateway, read: Callable[[], Settings]) -> None:
    """Take over the configuration file again; a wrong one changes nothing."""
    from plumbline.streaming.core.setting_kinds import SettingError
    from plumbline.streaming.server import log

    try:
        gateway.configure(read().instead_of(gateway.settings))
    except click.ClickException as error:
        log.event(logging.ERROR, "reload failed", because=error.format_message())
    except SettingError as error:  # a key file
        log.event(logging.ERROR, "reload failed", because=str(error))
