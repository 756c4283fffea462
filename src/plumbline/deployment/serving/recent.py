"""The last requests' feature values, for gates that replay them; off unless asked for, bounded, never the answers."""

from __future__ import annotations

from collections import deque
from typing import Any

from plumbline.deployment.core.model import Arrays


class Recent:
    """A ring of rows.

    Args:
        rows: How many are kept; 0 keeps none.
    """

    def __init__(self, rows: int) -> None:
        self.limit = rows
        self._kept: deque[tuple[Arrays, int]] = deque()
        self._rows = 0

    def note(self, inputs: Arrays, rows: int) -> None:
        """Keep a request; the oldest ones go when there are too many rows. One larger than the ring is not kept."""
        if rows > self.limit:
            return
        self._kept.append((inputs, rows))
        self._rows += rows
        while self._rows > self.limit:
            self._rows -= self._kept.popleft()[1]

    def columns(self) -> dict[str, list[Any]]:
        """Return all rows by feature, oldest first; missing numbers are None."""
        columns: dict[str, list[Any]] = {}
        names = set(self._kept[-1][0]) if self._kept else set()
        for inputs, _ in self._kept:
            if set(inputs) == names:
                for name in inputs:
                    columns.setdefault(name, []).extend(_plain(inputs[name].tolist()))
        return columns


def _plain(values: Any) -> Any:
    if isinstance(values, list):
        return [_plain(one) for one in values]
    return None if values != values else values
