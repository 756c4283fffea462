"""Who has to be looked at next: one queue of times for all instead of a timer each. The clock is passed in."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
FEWEST = 64


class Deadlines(Generic[K]):
    """One time for each key; a new one takes the old one's place."""

    def __init__(self) -> None:
        self._due: dict[K, tuple[float, int]] = {}
        self._queue: list[tuple[float, int, K]] = []  # has those of old times too, until they are many
        self._serial = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: K, at: float) -> None:
        """Have this key named at this time."""
        self._serial += 1  # keys need no order of their own
        self._due[key] = at, self._serial
        heapq.heappush(self._queue, (at, self._serial, key))
        if len(self._queue) > 2 * max(FEWEST, len(self._due)):
            self._queue = [(at, serial, name) for name, (at, serial) in self._due.items()]
            heapq.heapify(self._queue)

    def drop(self, key: K) -> None:
        """Have it named no more."""
        self._due.pop(key, None)

    def due(self, now: float) -> list[K]:
        """Return the keys whose time has come, the earliest first; they have none any more."""
        found = []
        while self._queue and self._queue[0][0] <= now:
            at, serial, key = heapq.heappop(self._queue)
            if self._due.get(key) == (at, serial):
                del self._due[key]
                found.append(key)
        return found
