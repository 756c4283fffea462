"""Find the connection that comes after this one, while this one still stands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection

from plumbline.streaming.client.actions import Advice
from plumbline.streaming.client.dial import Dialer, DialError
from plumbline.streaming.client.route import Route


@dataclass(frozen=True, slots=True)
class Successor:
    """A new connection.

    Args:
        url: To where.
        connection: It stands.
    """

    url: str
    connection: ClientConnection


async def find_successor(route: Route, dialer: Dialer, advised: asyncio.Queue[Advice]) -> Successor:
    """Return a new connection, once the gateway advises to leave, or a preferred address is back.

    Args:
        route: Which address is in use, and which ones are preferred.
        dialer: Opens connections.
        advised: The gateway's advice.
    """
    loop = asyncio.get_running_loop()
    while True:
        advice = await _advice(advised, route.better_in_s(loop.time()))
        if advice is not None:
            await asyncio.sleep(advice.after_s)
            return await _anew(route, dialer)
        await asyncio.sleep(route.jitter_s())
        url = route.better(loop.time())
        if url is None:
            continue
        try:
            return Successor(url, await dialer.dial(url))
        except DialError as failed:
            route.failed_back(url, failed.verdict, loop.time())


async def _advice(advised: asyncio.Queue[Advice], within_s: float | None) -> Advice | None:
    try:
        async with asyncio.timeout(within_s):
            return await advised.get()
    except TimeoutError:
        return None


async def _anew(route: Route, dialer: Dialer) -> Successor:
    """Connect to the same address anew; until that succeeds, or the gateway closes it, the old connection serves."""
    loop = asyncio.get_running_loop()
    while True:
        url = route.better(loop.time()) or route.url
        try:
            return Successor(url, await dialer.dial(url))
        except DialError as failed:
            if not failed.verdict.again:
                await asyncio.Event().wait()  # it will be closed, and then the route decides
            await asyncio.sleep(max(failed.verdict.at_least_s, 0.0) + route.retry_s())
