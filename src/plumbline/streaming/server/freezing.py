"""Keep the garbage collector away from connections that stay.

A full collection walks through every object that is alive, and nobody is served meanwhile. Those of a connection refer
to each other nowhere in a circle, so they need no collector: whoever stays is frozen, and freed all the same when it
goes.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

EVERY_S = 1.0
GREW = 250  # connections since the last time


class Freezing:
    """Freezes what is alive whenever there are many more connections than the last time.

    Args:
        count: Returns how many connections there are.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._frozen_at = 0
        self._loop = asyncio.get_running_loop()
        freeze()
        self._timer = self._loop.call_later(EVERY_S, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        count = self._count()
        if count >= self._frozen_at + GREW:
            freeze()
            self._frozen_at = count
        self._frozen_at = min(self._frozen_at, count)
        self._timer = self._loop.call_later(EVERY_S, self._look)


def freeze() -> None:
    """Collect what is young and garbage, and freeze the rest."""
    gc.collect(1)
    gc.freeze()
