"""Connection-seconds: how long connections were up of the time that they were wanted. Pure values."""

from __future__ import annotations


class Uptime:
    """Integrates two counts over time; exact, since it is told of every change.

    Args:
        now: The clock, in seconds.
    """

    def __init__(self, now: float) -> None:
        self._at = now
        self.up = 0
        self.wanted = 0
        self.up_s = 0.0
        self.wanted_s = 0.0

    def advance(self, now: float) -> None:
        """Count the time up to `now`."""
        passed = max(0.0, now - self._at)
        self.up_s += passed * self.up
        self.wanted_s += passed * self.wanted
        self._at = now

    def change(self, now: float, *, up: int = 0, wanted: int = 0) -> None:
        """Add to the counts from `now` on."""
        self.advance(now)
        self.up += up
        self.wanted += wanted
