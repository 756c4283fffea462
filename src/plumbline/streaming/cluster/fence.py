"""Who is home: the region with the highest term. One that was overtaken takes no more messages."""

from __future__ import annotations

import asyncio

from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import SEALED, STREAM, Copy, look
from plumbline.streaming.core.broker import BrokerError

_TAKES = ("subject_transform", "subjects", "mirror")  # by which a stream gets messages
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
        if other is not None and (because := strayed(own, other)):
            return because
        if other is None or other.term == own.term or strayed(other, own):
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


def strayed(own: Copy, home: Copy) -> str | None:
    """Return why a mirror does not follow its home any more: that was deleted and made anew. None: it does.

    JetStream itself says nothing of it: such a mirror waits until the new stream has as many messages as the old one
    had, and then goes on in the middle.
    """
    if not own.mirror or own.home != home.region or home.mirror or own.line == home.line:
        return None
    return (
        f"region {own.region} mirrors a stream of region {home.region} that is no more: another was made there; keep "
        f"what region {own.region} has with 'plumb gateway region promote --region {own.region} --lost', or begin anew "
        f"with 'plumb gateway region follow --region {own.region} --of {home.region} --salvage FILE'"
    )


async def seal(link: Link, copy: Copy, *, here: bool = False) -> None:
    """Make a stream take no more publications. Failing is no harm: the next look tries again."""
    config = {key: value for key, value in copy.config.items() if key not in _TAKES}
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
