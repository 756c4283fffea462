"""How long a region's mirror has heard nothing of home. Pure; the clock is passed in."""

from __future__ import annotations

from plumbline.streaming.cluster.streams import Copy


class Hearing:
    """Remembers when a copy last heard of its origin, also while nobody can be asked."""

    def __init__(self) -> None:
        self._at: float | None = None

    def note(self, copy: Copy, now: float) -> None:
        """Take over what a copy says of itself; one that never heard is silent since it was first looked at."""
        if copy.active_s is None:
            self._at = None
        elif copy.active_s >= 0:
            self._at = now - copy.active_s
        elif self._at is None:
            self._at = now

    def silent_s(self, now: float) -> float | None:
        """Return the silence in seconds; None: the copy is home's own, or was not looked at yet."""
        return None if self._at is None else now - self._at
