"""Does what is due when it is due: publishes, asks, sends connections off. One timer, one heap."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

BATCH = 500  # things done in one turn of the loop, before it reads again

Action = Callable[[float, Any], None]
Series = Iterator[tuple[float, Any]]


class Pump:
    """Merges series of due times.

    Args:
        clock: Gives the time in seconds, on the scale of the due times.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Any, Action, Series]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    def add(self, series: Series, action: Action) -> None:
        """Call `action(due, what)` for each of the series, at its due time or as soon after it as can be."""
        self._push(series, action)
        self._set()

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _push(self, series: Series, action: Action) -> None:
        following = next(series, None)
        if following is not None:
            heapq.heappush(self._heap, (following[0], next(self._order), following[1], action, series))

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._heap:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._heap[0][0] - self._clock()
        self._timer = loop.call_later(wait_s, self._run) if wait_s > 0 else loop.call_soon(self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._clock()
        for _ in range(BATCH):
            if not self._heap or self._heap[0][0] > now:
                break
            due, _, what, action, series = heapq.heappop(self._heap)
            self._push(series, action)
            action(due, what)
        self._set()


def steady(start: float, end: float, per_s: float, *, part: int = 0, parts: int = 1) -> Series:
    """Yield (due, number) at a steady rate over all parts, of which this one has every `parts`-th."""
    number = part
    while (at := start + number / per_s) < end:
        yield at, number
        number += parts
