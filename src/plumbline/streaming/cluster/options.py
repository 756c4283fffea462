"""`--broker` and its companions: what a command line says of the cluster. Importing this is cheap: no NATS here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from plumbline.streaming.cluster.access import Access
from plumbline.streaming.cluster.access_options import access_options
from plumbline.streaming.cluster.nats_config import check_region
from plumbline.streaming.server.options import BadInputError

if TYPE_CHECKING:
    from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker
    from plumbline.streaming.core.settings import Settings

SCHEMES = ("nats", "tls", "ws", "wss")


def cluster_options(run: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets `cluster`, which is None if the channels stay in this process."""

    @functools.wraps(run)
    def either(*, broker: str | None, access: Access, region: str | None, peers: tuple[str, ...], **rest: Any) -> Any:
        try:
            cluster = cluster_from(broker, access, region, peers)
        except ValueError as error:
            raise BadInputError(str(error)) from None
        return run(cluster=cluster, **rest)

    command: Callable[..., Any] = access_options(either)
    options = (
        click.option(
            "--broker",
            metavar="URL[,URL]",
            help="Keep the channels in NATS: nats://host:port, several with commas. Without: in this process.",
        ),
        click.option("--region", metavar="NAME", help="This gateway's region: the servers' JetStream domain."),
        click.option("--peer", "peers", multiple=True, metavar="NAME", help="Another region; may be repeated."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def servers_of(text: str) -> tuple[str, ...]:
    """Return the addresses in a `--broker` value.

    Raises:
        ValueError: One is no NATS address, or they are of several kinds.
    """
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for server in found:
        parts = urlsplit(server)
        try:
            good = parts.scheme in SCHEMES and parts.hostname and (parts.port or 1)
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"'{_shown(server)}' is no broker; write nats://host:port, several with commas")
        if "@" in parts.netloc:
            raise ValueError(
                f"'{_shown(server)}' has a secret in it, which every user of this machine can read in the list of "
                "processes; use --nats-user with --nats-password-file, or --nats-token-file"
            )
    if not found:
        raise ValueError("--broker names no server; write nats://host:port")
    return found


def cluster_from(
    broker: str | None, access: Access | None, region: str | None, peers: tuple[str, ...]
) -> ClusterOptions | None:
    """Return what the options say; None if the channels stay in this process.

    Raises:
        ValueError: They do not fit together.
    """
    if broker is None:
        if access or region or peers:
            raise ValueError("--nats-…, --region and --peer belong to --broker nats://…")
        return None
    try:
        from plumbline.streaming.cluster.broker import ClusterOptions
        from plumbline.streaming.cluster.streams import ALONE
    except ImportError as error:
        raise ValueError(
            f"--broker needs {error.name}, which is not installed; pip install 'plumbline[streaming]' has it"
        ) from None
    if peers and not region:
        raise ValueError("--peer names another region, so this one needs a name too: --region NAME")
    named = tuple(check_region(peer) for peer in peers)
    own = check_region(region) if region else ALONE
    if own in named:
        raise ValueError(f"--peer {own} is this region itself")
    return ClusterOptions(servers_of(broker), access or Access(), own, named)


def broker_from(options: ClusterOptions | None, settings: Settings) -> NatsBroker | None:
    """Return the broker that these options describe, not started; None if there are none."""
    if options is None:
        return None
    from plumbline.streaming.cluster.broker import NatsBroker

    return NatsBroker(options, settings)


def _shown(server: str) -> str:
    """Leave a user's password out."""
    head, at, tail = server.rpartition("@")
    return f"{head.partition('://')[0]}://…@{tail}" if at else server
