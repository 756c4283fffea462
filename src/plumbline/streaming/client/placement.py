"""Which socket carries a channel. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Carrier(Protocol):
    """What is known of a socket."""

    @property
    def load(self) -> int:
        """Channels that it carries."""

    @property
    def room(self) -> int:
        """Channels that it can take more."""


C = TypeVar("C", bound=Carrier)


def choose(channel: str, carriers: Sequence[C]) -> C | None:
    """Return the least loaded socket that has room; the channel's hash decides among equals. None: open another one.

    Args:
        channel: The channel's name.
        carriers: All sockets.
    """
    free = [carrier for carrier in carriers if carrier.room > 0]
    if not free:
        return None
    least = min(carrier.load for carrier in free)
    equals = [carrier for carrier in free if carrier.load == least]
    return equals[spread(channel, len(equals))]


def spread(channel: str, count: int) -> int:
    """Return a number from 0 to `count - 1` that is the same for the same channel, in every process."""
    return zlib.crc32(channel.encode("utf-8", "surrogatepass")) % count
