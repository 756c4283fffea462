"""`plumb gateway haproxy-config`: a HAProxy in front of several gateways."""

from __future__ import annotations

import click

from plumbline.streaming.core.address import Address
from plumbline.streaming.server.options import BadInputError
from plumbline.streaming.workers.haproxy import Front, config


@click.command("haproxy-config")
@click.option("--backend", "backends", multiple=True, required=True, metavar="HOST:PORT", help="A gateway; repeat it.")
@click.option("--bind", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="Where clients connect.")
@click.option(
    "--stats-socket", default="/run/haproxy/plumbline.sock", show_default=True, metavar="PATH", help="Runtime API."
)
@click.option(
    "--heartbeat",
    "heartbeat_s",
    type=float,
    default=25.0,
    show_default=True,
    help="The gateways' heartbeat_interval_s.",
)
@click.option(
    "--heartbeat-timeout", "timeout_s", type=float, default=10.0, show_default=True, help="Their heartbeat_timeout_s."
)
@click.option(
    "--max-connections", type=click.IntRange(min=1), default=9000, show_default=True, help="Clients of this HAProxy."
)
def haproxy_config(
    backends: tuple[str, ...],
    bind: str,
    stats_socket: str,
    heartbeat_s: float,
    timeout_s: float,
    max_connections: int,
) -> None:
    """Print a HAProxy configuration: least connections, health by /readyz, time-outs beyond the heartbeat."""
    try:
        addresses = [Address.parse(item, allow_remote=True) for item in backends]
        front = Front(Address.parse(bind, allow_remote=True), stats_socket, heartbeat_s, timeout_s, max_connections)
    except ValueError as error:
        raise BadInputError(str(error)) from None
    click.echo(config(front, addresses), nl=False)
