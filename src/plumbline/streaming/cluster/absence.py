"""How long a gateway had nothing to offer that another region might have. Pure; the clock is passed in."""

from __future__ import annotations


class Absence:
    """Remembers since when the servers are out of reach, or another region is home in this one's place."""

    def __init__(self) -> None:
        self._reasons: dict[str, float] = {}

    def note(self, reason: str, now: float, *, holds: bool) -> None:
        """Take over whether a reason holds; the loop's clock, in seconds."""
        if holds:
            self._reasons.setdefault(reason, now)
        else:
            self._reasons.pop(reason, None)

    def seconds(self, now: float) -> float | None:
        """Return how long one reason or another has held; None: none does."""
        return now - min(self._reasons.values()) if self._reasons else None
