"""Which channels each reader reads. Pure: readers are any hashable values."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

R = TypeVar("R", bound=Hashable)


class TooManySubscriptionsError(Exception):
    """The reader has as many subscriptions as it may have."""


class Subscriptions(Generic[R]):
    """Channel names by reader."""

    def __init__(self) -> None:
        self._of: dict[R, str | set[str]] = {}  # most have one: a set each would cost more than the connection's slots
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def has(self, reader: R, name: str) -> bool:
        """Say whether it reads this channel."""
        mine = self._of.get(reader)
        return mine == name if isinstance(mine, str) else mine is not None and name in mine

    def of(self, reader: R) -> tuple[str, ...]:
        """Return the channels that it reads."""
        mine = self._of.get(reader)
        if mine is None:
            return ()
        return (mine,) if isinstance(mine, str) else tuple(mine)

    def add(self, reader: R, name: str, limit: int) -> None:
        """Note a subscription; a second time changes nothing.

        Raises:
            TooManySubscriptionsError: It reads `limit` channels already.
        """
        if self.has(reader, name):
            return
        mine = self._of.get(reader)
        if (0 if mine is None else 1 if isinstance(mine, str) else len(mine)) >= limit:
            raise TooManySubscriptionsError
        if mine is None:
            self._of[reader] = name
        elif isinstance(mine, str):
            self._of[reader] = {mine, name}
        else:
            mine.add(name)
        self._count += 1

    def remove(self, reader: R, name: str) -> bool:
        """Forget a subscription; False if there was none."""
        if not self.has(reader, name):
            return False
        mine = self._of[reader]
        if isinstance(mine, set):
            mine.remove(name)
        if isinstance(mine, str) or not mine:
            del self._of[reader]
        self._count -= 1
        return True

    def leave(self, reader: R) -> tuple[str, ...]:
        """Forget a reader, and return the channels that it read."""
        names = self.of(reader)
        self._of.pop(reader, None)
        self._count -= len(names)
        return names
