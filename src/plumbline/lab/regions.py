"""`python -m plumbline.lab.regions HOME=URL OTHER=URL …`: make the first region home, and the others its mirrors."""

from __future__ import annotations

import asyncio
import sys
import time

PATIENCE_S = 30.0
"""For a leaf link that has just been made to carry JetStream's questions, in seconds."""


async def settle(home: str, others: dict[str, str], url: str) -> None:
    """Make the regions, as `plumb gateway region create` and `follow` do.

    Args:
        home: The region that takes publications.
        others: The other regions, and the address of a server of each.
        url: Address of a server of home.

    Raises:
        RegionError: A region does not answer.
        BrokerError: A server does not.
    """
    from plumbline.streaming.cluster import regions
    from plumbline.streaming.cluster.link import Link
    from plumbline.streaming.cluster.streams import Limits

    link = Link([url])
    await link.open()
    await regions.create(link, home, Limits())
    await link.close()
    for name, address in others.items():
        link = Link([address])
        await link.open()
        deadline = time.monotonic() + PATIENCE_S
        while any(one.role == "unreachable" for one in await regions.states(link, [home, name])):
            if time.monotonic() > deadline:
                raise regions.RegionError(f"region {home} does not answer from {name}")
            await asyncio.sleep(0.05)
        await regions.follow(link, name, home)
        await link.close()


def main() -> int:
    """Do what the command line says."""
    (home, url), *others = [word.partition("=")[::2] for word in sys.argv[1:]]
    asyncio.run(settle(home, dict(others), url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
