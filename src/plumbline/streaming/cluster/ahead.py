"""A client that has seen more of a channel than its new region has yet: wait for the mirror, for a while."""

from __future__ import annotations

import asyncio

from plumbline.streaming.cluster.kept import Kept
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.reading import heads
from plumbline.streaming.cluster.streams import Copy
from plumbline.streaming.core.broker import BrokerError

WAIT_S = 4.0  # less than clients wait for an answer
STEP_S = 0.1


async def caught_up(link: Link, copy: Copy, channel: str, kept: Kept, wanted: int) -> None:
    """Return when the mirror has the channel up to the wanted offset, or has it anew.

    Args:
        link: The connection.
        copy: The mirror.
        channel: Its name.
        kept: What the mirror has of it now.
        wanted: The offset.

    Raises:
        BrokerError: It has not, yet. What is missing is not lost: it is on its way, or stays where home's disk is.
    """
    until = asyncio.get_running_loop().time() + WAIT_S
    offset = kept.offset
    while offset < wanted:
        if asyncio.get_running_loop().time() > until:
            raise BrokerError(
                "unavailable",
                f"region {copy.region} has '{channel}' up to offset {offset} and has yet to get the rest, up to "
                f"{wanted}, from region {copy.home}; try again in 1 s",
            )
        await asyncio.sleep(STEP_S)
        head = (await heads(link, [channel])).get(channel)
        if head is None or head.birth != kept.birth:
            return
        offset = head.offset
