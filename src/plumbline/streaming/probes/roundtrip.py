"""Black-box probe: how long messages take to the readers of a channel made for probing. For any WebSocket server.

It sends, so it runs only where the target names such a channel: `[targets.NAME.fanout]` of plumbline.toml.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from plumbline.evidence import Endpoint, ProbeChannel, UnavailableError
from plumbline.streaming.probes.idle import websocket_url
from plumbline.streaming.probes.opening import OPEN_TIMEOUT_S, options, told

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

READERS = 20
MESSAGES, LEAST = 20, 5  # of those that count
OPENERS = 5  # messages that only show that subscriptions stand
PERIOD_S = 0.1  # ten messages a second, in all
SHORTEST_S, LONGEST_S = 1.5, 10.0  # what the last message is given
OPEN_EVERY_S = 0.02
LOOK_S = 0.01
NUMBER_DIGITS = 4
PROBE_BYTES = 16  # of each `{probe}`: 12 that no other run has, and its number


@dataclass(slots=True, eq=False)
class Reader:
    """One connection of ours, and when it got which message."""

    link: ClientConnection
    arrived: dict[int, float] = field(default_factory=dict)
    ended: bool = False

    async def read(self, run: str) -> None:
        """Note arrivals until the connection ends; a probe's text is found wherever it stands, in two frames too."""
        from websockets.exceptions import ConnectionClosed

        wanted, rest = re.compile(run.encode() + rb"(\d{%d})" % NUMBER_DIGITS), b""
        with contextlib.suppress(ConnectionClosed):
            while True:
                data = await self.link.recv(decode=False)
                now, text = time.monotonic(), rest + data
                for found in wanted.finditer(text):
                    self.arrived.setdefault(int(found[1]), now)
                rest = text[1 - PROBE_BYTES :]
        self.ended = True


@dataclass(slots=True)
class Run:
    """One measurement: who reads, and what was sent when. The first of the links publishes, and is no reader."""

    links: list[Reader]
    channel: ProbeChannel
    token: str
    name: str = field(default_factory=lambda: secrets.token_hex((PROBE_BYTES - NUMBER_DIGITS) // 2))
    sent: dict[int, float] = field(default_factory=dict)
    own_delay_s: float = 0.0

    @property
    def readers(self) -> list[Reader]:
        """The links that count."""
        return self.links[1:]

    async def subscribe(self) -> None:
        """Say on each link what makes it a reader."""
        if self.channel.subscribe:
            for one in self.links:
                await self._say(one, self.channel.subscribe)

    async def publish(self) -> None:
        """Send the next message, and wait until another one may be sent."""
        number = len(self.sent)
        probe = f"{self.name}{number:0{NUMBER_DIGITS}d}"
        text = self.channel.publish.replace("{probe_bytes}", str(PROBE_BYTES)).replace("{probe}", probe)
        self.sent[number] = time.monotonic()
        await self._say(self.links[0], text)
        await asyncio.sleep(PERIOD_S)

    async def _say(self, one: Reader, text: str) -> None:
        from websockets.exceptions import ConnectionClosed

        text = text.replace("{token}", self.token)
        with contextlib.suppress(ConnectionClosed):
            await one.link.send(text.encode("latin-1") if self.channel.binary else text)

    async def own_delay(self) -> None:
        """Note how late this program is itself."""
        while True:
            due = time.monotonic() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self.own_delay_s = max(self.own_delay_s, time.monotonic() - due)


def measure(endpoint: Endpoint) -> dict[str, Any]:
    """Open connections, subscribe, send half of `patience_s`, and wait for what is on its way for the other half.

    Returns:
        The fields of the evidence record `RoundTrip`.

    Raises:
        UnavailableError: No URL, no channel, nobody there, or no WebSocket there.
    """
    if not endpoint.url or endpoint.fanout is None:
        raise UnavailableError("not_configured", "the target names no url, or no channel for probes (its table fanout)")
    url = websocket_url(endpoint.url)
    return asyncio.run(_measure(url, endpoint, endpoint.fanout)) | {"round_trip_s": round(_round_trip_s(url), 6)}


def plan_of(patience_s: float) -> tuple[int, float]:
    """Return how many messages are sent, and how long the last one is given, in seconds."""
    count = int(patience_s / 2 / PERIOD_S)
    return min(max(count, LEAST), MESSAGES), min(max(patience_s / 2, SHORTEST_S), LONGEST_S)


async def _measure(url: str, endpoint: Endpoint, channel: ProbeChannel) -> dict[str, Any]:
    count, patience_s = plan_of(endpoint.patience_s)
    async with contextlib.AsyncExitStack() as ends:
        run = Run([Reader(one) for one in await _opened(url, endpoint, ends)], channel, endpoint.token or "")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.read(run.name)) for one in run.links]
            tasks.append(group.create_task(run.own_delay()))
            await run.subscribe()
            while len(run.sent) < OPENERS and not (run.sent and all(one.arrived for one in run.readers)):
                await run.publish()
            first = len(run.sent)
            for _ in range(count):
                await run.publish()
            until = run.sent[len(run.sent) - 1] + patience_s
            while time.monotonic() < until and not _complete(run, first):  # noqa: ASYNC110 - all are looked at together
                await asyncio.sleep(LOOK_S)
            found = counted(run, first, time.monotonic())
            for task in tasks:
                task.cancel()
    if run.links[0].ended:
        code = run.links[0].link.close_code or 1006
        sentence = f"{url} ended the connection that publishes, with code {code}; do the texts in fanout fit?"
        raise UnavailableError("malformed", sentence)
    return found


async def _opened(url: str, endpoint: Endpoint, ends: contextlib.AsyncExitStack) -> list[ClientConnection]:
    """Open one connection, which tells why if that cannot be, and then the others, evenly: a crowd is no probe."""
    from websockets.asyncio.client import connect

    how = options(url, endpoint) | {"close_timeout": 0.1}

    async def one(after_s: float = 0.0) -> ClientConnection:
        await asyncio.sleep(after_s)
        with told(url):
            link = await connect(url, **how)
        ends.push_async_callback(link.close)
        return link

    first = await one()
    rest = await asyncio.gather(*(one(number * OPEN_EVERY_S) for number in range(READERS)), return_exceptions=True)
    links = [link for link in rest if not isinstance(link, BaseException)]
    if not links:
        raise UnavailableError("unreachable", f"{url} takes one connection, and of {READERS} more none: {rest[0]}")
    return [first, *links]


def _complete(run: Run, first: int) -> bool:
    """Return whether there is nothing left to wait for."""
    wanted = range(first, len(run.sent))
    return all(one.ended or all(number in one.arrived for number in wanted) for one in run.readers)


def counted(run: Run, first: int, now: float) -> dict[str, Any]:
    """Return what came of the messages from this number on; only messages that a reader could have had count."""
    wanted = [number for number in run.sent if number >= first]
    anywhere = {number for one in run.readers for number in one.arrived}
    waits: dict[int, list[float]] = {number: [] for number in wanted}
    lost = outstanding = 0
    for one in run.readers:
        since, newest = min(one.arrived, default=-1), max(one.arrived, default=-1)  # so none is lost at who got none
        for number in wanted:
            if number in one.arrived:
                waits[number].append(one.arrived[number] - run.sent[number])
            elif number > newest and not one.ended:
                waits[number].append(now - run.sent[number])
                outstanding += 1
            elif since < number < newest and number in anywhere:
                lost += 1
    arrived = sum(number in one.arrived for one in run.readers for number in wanted)
    return {
        "readers": len(run.readers),
        "published": len(wanted),
        "arrived": arrived,
        "lost": lost,
        "nowhere": sum(number not in anywhere and number < max(anywhere, default=-1) for number in wanted),
        "outstanding": outstanding,
        "silent": sum(not (one.arrived or one.ended) for one in run.readers),
        "ended": sum(one.ended for one in run.links),
        **(times(waits.values()) if arrived else {"p50_s": None, "p99_s": None, "last_reader_s": None}),
        "own_delay_s": round(run.own_delay_s, 4),
        "waited_s": round(now - run.sent[wanted[-1]], 3),
    }


def times(waits: Iterable[list[float]]) -> dict[str, float]:
    """Return median, 99th percentile (nearest rank), and the median of each message's last, in seconds."""
    each = [message for message in waits if message]
    flat = sorted(wait for message in each for wait in message)
    return {
        "p50_s": round(statistics.median(flat), 6),
        "p99_s": round(flat[-(-99 * len(flat) // 100) - 1], 6),
        "last_reader_s": round(statistics.median(max(message) for message in each), 6),
    }


def _round_trip_s(url: str) -> float:
    """Return the fastest of three TCP handshakes, in seconds; 0: none came about."""
    parts = urlsplit(url)
    where, took = (parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)), []
    for _ in range(3):
        with contextlib.suppress(OSError):
            began = time.perf_counter()
            with socket.create_connection(where, OPEN_TIMEOUT_S):
                took.append(time.perf_counter() - began)
    return min(took, default=0.0)
