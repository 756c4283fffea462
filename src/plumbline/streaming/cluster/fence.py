"""Who is home: the region with the highest term. One that was overtaken takes no more messages."""

from __future__ import annotations

import asyncio

from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import SEALED, STREAM, Copy, look
from plumbline.streaming.core.broker import BrokerError

PEER_S = 1.0  # for a look at another region


async def fence(link: Link, own: Copy, peers: tuple[str, ...]) -> str | None:
    """Compare this region's copy with the others'.

    A home that another one has overtaken (a higher term) is sealed by whoever sees it first, here or there: JetStream
    itself then refuses what late gateways publish.

    Returns:
        Why this region's copy must not be used; None if it may.
    """
    for peer in peers:
        other = await _seen(link, peer)
        if other is None or other.term == own.term:
            continue
        if other.term < own.term:
            if not other.mirror and not other.sealed:
                await seal(link, other)
            continue
        if not own.mirror and not own.sealed:
            await seal(link, own, here=True)
        return (
            f"region {own.region} has been overtaken: region {other.home} is home since term {other.term}; run "
            f"'plumb gateway region follow --region {own.region} --of {other.home}'"
        )
    return None


async def seal(link: Link, copy: Copy, *, here: bool = False) -> None:
    """Make a stream take no more publications. Failing is no harm: the next look tries again."""
    config = {key: value for key, value in copy.config.items() if key not in ("subject_transform", "subjects")}
    config["subjects"] = [SEALED]
    try:
        await link.api(f"STREAM.UPDATE.{STREAM}", config, domain="" if here else copy.region)
    except BrokerError:
        return


async def _seen(link: Link, peer: str) -> Copy | None:
    try:
        return await asyncio.wait_for(look(link, peer, domain=peer), PEER_S)
    except (BrokerError, TimeoutError):
        return None
