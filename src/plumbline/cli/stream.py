"""`plumb stream`: read and publish from a terminal, with the same client that programs use."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plumbline.streaming.client import Client, Event, Position

EXIT_INTERRUPTED = 130
_url = click.argument("url", metavar="URL")
_channel = click.argument("channel", metavar="CHANNEL")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
_since = click.option("--since", metavar="EPOCH:OFFSET", help="Begin after this position, as the output shows it.")


def _connecting(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--token", envvar="PLUMBLINE_TOKEN", help="Shown to the gateway  [$PLUMBLINE_TOKEN]."),
        click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="Certificate authority for wss://."),
        click.option(
            "--timeout", type=click.FloatRange(0.01), default=10.0, show_default=True, help="Seconds for an answer."
        ),
    )
    for option in options:
        command = option(command)
    return command


@click.group()
def stream() -> None:
    """Read and publish at a gateway: ws://HOST:PORT/, several comma-separated, the preferred one first."""


@stream.command()
@_url
@click.argument("channels", nargs=-1, required=True, metavar="CHANNEL...")
@_since
@click.option("--latest", is_flag=True, help="Only the newest message of each channel matters.")
@click.option("--join", is_flag=True, help="Be present, and show who comes and goes.")
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@_as_json
@_connecting
def subscribe(
    url: str,
    channels: tuple[str, ...],
    since: str | None,
    latest: bool,
    join: bool,
    count: int | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Print what is published, until Ctrl-C. Interruptions are recovered from; what is lost is shown as a gap."""
    if since is not None and len(channels) > 1:
        raise click.UsageError("--since is one channel's position; subscribe to one channel with it")
    position, mode = _position(since), "latest" if latest else "all"
    show = _json_event if as_json else _event

    async def work(client: Client) -> None:
        names = dict.fromkeys(channels)
        readers = [client.subscribe(channel, since=position, mode=mode, join=join) for channel in names]
        async with asyncio.timeout(how["timeout"]):
            for reader in readers:
                await reader.ready()
        printed = 0

        def each(event: Event) -> None:
            nonlocal printed
            if printed == count:
                return
            click.echo(show(event))
            printed += hasattr(event, "data")
            if printed == count:
                for reader in readers:
                    reader.close()

        await asyncio.gather(*(reader.run(each) for reader in readers))

    with _interruptions_told():
        _run(url, work, **how)


@stream.command()
@_url
@_channel
@click.argument("data", metavar="DATA|-")
@click.option("--text", is_flag=True, help="Publish as text, even if it can be read as JSON.")
@click.option("--key", help="Idempotency key: within the gateway's window the same key is stored once.")
@_as_json
@_connecting
def publish(url: str, channel: str, data: str, text: bool, key: str | None, as_json: bool, **how: Any) -> None:
    """Publish DATA (JSON, or else text), or with - each line of standard input; print each position once stored."""
    if data == "-" and key is not None:
        raise click.UsageError("--key names one message; with - there may be many")

    async def work(client: Client) -> None:
        async def one(line: str) -> None:
            position = await client.publish(channel, line if text else _value(line), key=key)
            click.echo(json.dumps(_place(channel, position)) if as_json else _shown(position))

        if data != "-":
            await one(data)
            return
        while line := await asyncio.to_thread(sys.stdin.readline):
            await one(line.rstrip("\n"))

    _run(url, work, **how)


@stream.command()
@_url
@_channel
@_since
@click.option("--limit", type=click.IntRange(1), help="Messages at most.")
@_as_json
@_connecting
def history(url: str, channel: str, since: str | None, limit: int | None, as_json: bool, **how: Any) -> None:
    """Print what a channel's history holds, oldest first."""
    position = _position(since)

    async def work(client: Client) -> None:
        past = await client.history(channel, since=position, limit=limit)
        if past.recovered is False:
            sentence = f"history does not reach back to {since}, or more than the limit came since"
            raise click.ClickException(f"{sentence}; the channel stands at {_shown(past.position)}")
        for message in past.messages:
            click.echo(_json_event(message) if as_json else _event(message))

    _run(url, work, **how)


@stream.command()
@_url
@_channel
@_as_json
@_connecting
def presence(url: str, channel: str, as_json: bool, **how: Any) -> None:
    """Print who is in a channel."""

    async def work(client: Client) -> None:
        here = await client.presence(channel)
        for member in here.members:
            told = {"client": member.client, "user": member.user, "since": member.since}
            click.echo(json.dumps(told) if as_json else f"{member.client}  {member.user or '-'}")
        if here.count > len(here.members):
            click.echo(f"and {here.count - len(here.members)} more", err=True)

    _run(url, work, **how)


def _run(url: str, work: Callable[[Client], Coroutine[Any, Any, None]], *, token: str | None, ca: str | None,
         timeout: float) -> None:  # fmt: skip
    import ssl

    from plumbline.streaming.client import Client, Options

    async def main() -> None:
        tls = ssl.create_default_context(cafile=ca) if ca else None
        async with Client(url.split(","), token=token, options=Options(tls=tls, request_timeout_s=timeout)) as client:
            with _failures(client, timeout):
                await work(client)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


@contextmanager
def _failures(client: Client, timeout_s: float) -> Iterator[None]:
    """Turn what goes wrong into one sentence and exit code 1, or 2 if the command was wrong."""
    from plumbline.streaming.client import ClientError, NoAnswerError

    try:
        yield
    except (NoAnswerError, TimeoutError) as error:
        sentence = str(error) or f"the gateway did not confirm the subscription within {timeout_s:g} s"
        trouble = next((socket.trouble for socket in client.sockets if socket.trouble), None)
        raise click.ClickException(f"{sentence}; {trouble}" if trouble else sentence) from None
    except ClientError as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def _interruptions_told() -> Iterator[None]:
    """Say on standard error when the connection is lost, and when it is back."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("plumb: %(message)s"))
    logger = logging.getLogger("plumbline.client")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _position(since: str | None) -> Position | None:
    from plumbline.streaming.client import Position

    if since is None:
        return None
    epoch, _, offset = since.rpartition(":")
    if not epoch or not offset.isdecimal():
        raise click.UsageError(f"--since is a position like 968a39c5.1:42, not {since!r}")
    return Position(epoch, int(offset))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _shown(position: Position) -> str:
    return f"{position.epoch}:{position.offset}"


def _place(channel: str, position: Position) -> dict[str, Any]:
    return {"channel": channel, "epoch": position.epoch, "offset": position.offset}


def _event(event: Event) -> str:
    from plumbline.streaming.client import Gap, Joined, Left, Message

    if isinstance(event, Message):
        return f"{event.channel}  {_shown(event.position)}  {json.dumps(event.data, ensure_ascii=False)}"
    if isinstance(event, Gap):
        since = _shown(event.since) if event.since else "the beginning"
        return f"{event.channel}  gap after {since}, goes on after {_shown(event.until)} ({event.because})"
    if isinstance(event, Joined | Left):
        what = "joined" if isinstance(event, Joined) else "left"
        return f"{event.channel}  {what} {event.member.client} {event.member.user or '-'}"
    return f"{event.channel}  {event.state}"


def _json_event(event: Event) -> str:
    from plumbline.streaming.client import Gap, Joined, Left, Message

    if isinstance(event, Message):
        told = _place(event.channel, event.position) | {"data": event.data}
    elif isinstance(event, Gap):
        since = _shown(event.since) if event.since else None
        told = {"channel": event.channel, "gap": event.because, "since": since, "until": _shown(event.until)}
    elif isinstance(event, Joined | Left):
        member = {"client": event.member.client, "user": event.member.user, "since": event.member.since}
        told = {"channel": event.channel, "joined" if isinstance(event, Joined) else "left": member}
    else:
        told = _place(event.channel, event.position) | {"state": event.state}
    return json.dumps(told, ensure_ascii=False)
