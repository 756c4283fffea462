"""When to ping whom, and who is dead: one ordered table for all connections instead of a timer each.

Pure: the clock is passed in.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Heartbeats(Generic[K]):
    """Pings every connection once per interval and names those that did not react.

    Args:
        interval_s: Time between two pings to a connection, in seconds; 0: none are sent.
        timeout_s: Time to react to a ping, in seconds.
    """

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self._pinged: dict[K, float] = {}  # time of the last ping (or of joining), longest ago first
        self._waiting: dict[K, float] = {}  # time of the ping that was not answered yet, longest ago first

    def __len__(self) -> int:
        return len(self._pinged)

    def add(self, key: K, now: float) -> None:
        """Watch a connection; its first ping is due one interval from now."""
        self.remove(key)
        self._pinged[key] = now

    def remove(self, key: K) -> None:
        """Watch a connection no longer."""
        self._pinged.pop(key, None)
        self._waiting.pop(key, None)

    def heard(self, key: K) -> None:
        """Note that something came from this connection: it lives."""
        self._waiting.pop(key, None)

    def due(self, now: float, most: int) -> tuple[list[K], list[K]]:
        """Return whom to ping now (at most `most`, so that a burst does not hold the event loop) and who is dead.

        Both are noted: whoever is returned for a ping is taken as pinged, the dead are watched no longer.
        """
        dead = []
        for key, at in self._waiting.items():
            if now - at < self.timeout_s:
                break
            dead.append(key)
        for key in dead:
            self.remove(key)
        return self._to_ping(now, most), dead

    def _to_ping(self, now: float, most: int) -> list[K]:
        ping: list[K] = []
        if not self.interval_s:
            return ping
        for key, at in self._pinged.items():
            if now - at < self.interval_s or len(ping) >= most:
                break
            ping.append(key)
        for key in ping:
            del self._pinged[key]
            self._pinged[key] = now
        silent = [key for key in ping if key not in self._waiting]  # one open question to each at a time
        self._waiting |= dict.fromkeys(silent, now)
        return silent
