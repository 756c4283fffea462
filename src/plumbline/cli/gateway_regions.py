"""`plumb gateway nats-config|region`: set up regions, see how far they are behind, and move home."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.gateway_asking import json_option, new_table, show_table
from plumbline.streaming.cluster.access_options import access_options
from plumbline.streaming.server.options import BadInputError

if TYPE_CHECKING:
    from plumbline.streaming.cluster.access import Access
    from plumbline.streaming.cluster.link import Link
    from plumbline.streaming.cluster.regions import RegionState
    from plumbline.streaming.cluster.salvage import Hidden


@click.command("nats-config")
@click.option("--region", required=True, metavar="NAME", help="The region: its JetStream domain.")
@click.option("--store", default="./nats-store", show_default=True, metavar="DIR", help="Folder for JetStream's files.")
@click.option("--listen", default="127.0.0.1:4222", show_default=True, metavar="HOST:PORT", help="For gateways.")
@click.option("--monitor", default="127.0.0.1:8222", show_default=True, metavar="HOST:PORT", help="For diagnostics.")
@click.option("--leaf-listen", metavar="HOST:PORT", help="Where other regions' servers connect.")
@click.option("--leaf-of", multiple=True, metavar="HOST:PORT", help="Other regions' --leaf-listen; may be repeated.")
@click.option("--sync-always", is_flag=True, help="Flush each message to the disk: survives a power cut, far slower.")
def nats_config(
    region: str, store: str, listen: str, monitor: str, leaf_listen: str | None, leaf_of: tuple[str, ...], **more: bool
) -> None:
    """Print the configuration of one region's nats-server."""
    from plumbline.streaming.cluster.nats_config import RegionServer

    try:
        server = RegionServer(region, store, listen, monitor, leaf_listen, leaf_of, more["sync_always"])
    except ValueError as error:
        raise BadInputError(str(error)) from None
    click.echo(server.text(), nl=False)


@click.group()
def region() -> None:
    """Show regions, make one follow another, move home."""


_broker = click.option(
    "--broker",
    required=True,
    envvar="PLUMBLINE_BROKER",
    metavar="URL[,URL]",
    help="A NATS server of any region that still runs  [$PLUMBLINE_BROKER].",
)


@region.command()
@click.argument("regions", nargs=-1, required=True, metavar="REGION...")
@_broker
@access_options
@json_option
def show(regions: tuple[str, ...], broker: str, access: Access, as_json: bool) -> None:
    """Show who is home, how far the others are behind, and how long ago they heard of it."""
    from plumbline.streaming.cluster.regions import states

    found = _run(broker, access, lambda link: states(link, regions))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(state) for state in found], indent=2))
    else:
        show_table(_states(found))


@region.command()
@click.option("--region", "name", required=True, metavar="NAME")
@_broker
@access_options
@click.option("--messages", type=click.IntRange(1), default=1000, show_default=True, help="Kept per channel.")
@click.option("--bytes", "size", type=click.IntRange(1 << 16), default=1 << 30, show_default=True, help="Kept in all.")
@click.option("--idle-s", type=click.FloatRange(60), default=86400, show_default=True, help="A quiet channel's life.")
@click.option("--replicas", type=click.IntRange(1, 5), default=1, show_default=True, help="Servers with a copy each.")
def create(
    name: str,
    broker: str,
    access: Access,
    messages: int,
    size: int,
    idle_s: float,
    replicas: int,
) -> None:
    """Make the first region home: it takes all publications."""
    from plumbline.streaming.cluster import regions
    from plumbline.streaming.cluster.streams import Limits

    limits = Limits(messages, size, idle_s, replicas=replicas)
    made = _run(broker, access, lambda link: regions.create(link, _name(name), limits))
    click.echo(f"region {made.region} is home in term {made.term}")


@region.command()
@click.option("--region", "name", required=True, metavar="NAME")
@click.option("--of", "home", required=True, metavar="NAME", help="The region that is home.")
@_broker
@access_options
@click.option(
    "--salvage", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Save what only it has."
)
@click.option("--discard", is_flag=True, help="Give up what only it has.")
def follow(name: str, home: str, broker: str, access: Access, salvage: Path | None, discard: bool) -> None:
    """Make a region a mirror of home, a lost one that came back too; wait until it has all."""
    from plumbline.streaming.cluster import regions

    keep: list[Hidden] | None = [] if salvage or discard else None

    async def work(link: Link) -> Any:
        if salvage is not None and keep is not None:
            await regions.hidden(link, _name(name), _name(home), keep)
            _save(salvage, keep)  # before anything is replaced
            keep.clear()
        return await regions.follow(link, _name(name), _name(home), keep=keep)

    made = _run(broker, access, work)
    click.echo(f"region {made.region} follows {made.home}, up to message {made.last}")
    if keep is not None:
        what = f"saved in {salvage}" if salvage else "given up"
        click.echo(f"{len(keep)} acknowledged messages that {home} never got: {what}")


@region.command()
@click.option("--region", "name", required=True, metavar="NAME")
@_broker
@access_options
@click.option("--lost", is_flag=True, help="Home is gone: positions from before are void.")
def promote(name: str, broker: str, access: Access, lost: bool) -> None:
    """Make a mirror home; with home still there, nothing is lost."""
    from plumbline.streaming.cluster import regions

    made = _run(broker, access, lambda link: regions.promote(link, _name(name), lost=lost))
    click.echo(f"region {made.region} is home in term {made.term}")
    if lost:
        click.echo(
            "positions from before are answered recovered: false; what the lost region had acknowledged and not sent "
            "on is saved when it comes back: plumb gateway region follow --salvage FILE"
        )


COMMANDS = (nats_config, region)


def _save(path: Path, kept: list[Hidden]) -> None:
    from plumbline.streaming.cluster.salvage import lines

    path.write_text(lines(kept), encoding="utf-8")


def _name(text: str) -> str:
    from plumbline.streaming.cluster.nats_config import check_region

    return check_region(text)


def _run(broker: str, access: Access, work: Callable[[Link], Awaitable[Any]]) -> Any:
    """Do it over a connection; what goes wrong is one sentence."""
    from plumbline.streaming.cluster.link import Link
    from plumbline.streaming.cluster.options import servers_of
    from plumbline.streaming.cluster.regions import RegionError
    from plumbline.streaming.core.broker import BrokerError

    async def main() -> Any:
        link = Link(list(servers_of(broker)), access=access, name="plumb gateway region")
        await link.open()
        try:
            return await work(link)
        finally:
            await link.close()

    try:
        return asyncio.run(main())
    except ValueError as error:
        raise BadInputError(str(error)) from None
    except RegionError as error:
        raise click.ClickException(str(error)) from None
    except BrokerError as error:
        raise click.ClickException(error.message) from None


def _states(found: list[RegionState]) -> Any:
    table = new_table("Regions", "<region", "<role", "<home", "term", "gen", "newest", "lag", "heard s", "age s")
    for one in found:
        seconds = ["-" if value is None else f"{value:.1f}" for value in (one.active_s, one.newest_s)]
        numbers = ["-" if value is None else str(value) for value in (one.term, one.generation, one.last, one.lag)]
        table.add_row(one.region, one.role, one.home or "-", *numbers, *seconds)
    return table
