"""What a cache keeps and answers, and what it asks of the store that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Cached:
    """A value as the cache answers it.

    Args:
        value: It.
        age_s: Seconds since it was stored; None if whoever keeps it does not say.
        stale: It is older than its time to live, and is being computed anew.
    """

    value: bytes
    age_s: float | None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What a store keeps under a key.

    Args:
        value: The value, or the sentence of a failed computation.
        ttl_s: For how long it is fresh, in seconds.
        stale_for_s: For how long after that it may still be answered.
        failed: It is a failure.
        age_s: Seconds since it was stored.
        revision: Changes with every write of this key.
    """

    value: bytes
    ttl_s: float
    stale_for_s: float = 0.0
    failed: bool = False
    age_s: float = 0.0
    revision: int = 0

    @property
    def fresh(self) -> bool:
        """It is younger than its time to live."""
        return self.age_s < self.ttl_s

    @property
    def usable(self) -> bool:
        """It may be answered, fresh or stale."""
        return self.age_s < self.ttl_s + self.stale_for_s


class Store(Protocol):
    """Where records are. All methods raise `BrokerError` when it cannot be reached."""

    async def get(self, key: str) -> Record | None:
        """Return what is stored, if it is still of use."""

    async def put(self, key: str, record: Record, *, after: int | None) -> bool:
        """Store; with `after` only if the key's revision is still this one (0: it is not there). Say whether it was."""

    async def claim(self, key: str, owner: str, lease_s: float) -> int | None:
        """Take the right to compute a key for so long; None if another has it. Returns what `release` needs."""

    async def release(self, key: str, lease: int) -> None:
        """Give that right back; one that has passed to another is left alone."""

    async def last(self, channel: str) -> Cached | None:
        """Return the newest message of a channel that is kept."""
