"""Which publications were stored already, by the key their publisher gave. Pure: the clock is passed in."""

from __future__ import annotations

from collections import OrderedDict

from plumbline.streaming.core.broker import Position


class Keys:
    """Keys of the last while, and where their messages stand.

    Args:
        window_s: How long a key is known, in seconds.
        most: How many are known; beyond it the oldest is forgotten.
    """

    def __init__(self, window_s: float, most: int) -> None:
        self.window_s = window_s
        self.most = most
        self._known: OrderedDict[tuple[str, str], tuple[Position, float]] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        return len(self._known)

    def find(self, channel: str, key: str, now: float) -> Position | None:
        """Return where this key's message stands, if it is known."""
        self.trim(now)
        found = self._known.get((channel, key))
        return found[0] if found else None

    def add(self, channel: str, key: str, position: Position, now: float) -> None:
        """Note a publication."""
        self._known[channel, key] = (position, now)
        self.trim(now)

    def trim(self, now: float) -> None:
        """Forget what is too much or too old."""
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) <= self.most and now - self._known[oldest][1] <= self.window_s:
                return
            del self._known[oldest]
