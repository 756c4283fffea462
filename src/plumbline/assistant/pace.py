"""How much an assistant may ask for: runs at once, and starts within a minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plumbline.assistant.refusals import RefusedError

ACTIVE, PER_MINUTE = 2, 30  # as the web app has them
_WINDOW_S = 60.0


class Pace:
    """Counts runs; used on one thread only.

    Args:
        active: Runs under way at once.
        per_minute: Starts within a minute.
        clock: Monotonic seconds; tests pass their own.
    """

    def __init__(
        self, *, active: int = ACTIVE, per_minute: int = PER_MINUTE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_active = active
        self._per_minute = per_minute
        self._clock = clock
        self._active = 0
        self._starts: deque[float] = deque()

    @contextmanager
    def run(self) -> Iterator[None]:
        """Count one run, from its start to its end.

        Raises:
            RefusedError: Too many are under way, or were started within the minute.
        """
        now = self._clock()
        while self._starts and now - self._starts[0] >= _WINDOW_S:
            self._starts.popleft()
        if len(self._starts) >= self._per_minute:
            wait_s = max(1, round(_WINDOW_S - (now - self._starts[0])))
            raise RefusedError(
                f"{self._per_minute} runs were started within a minute, which is the limit; wait {wait_s} s"
            )
        if self._active >= self._most_active:
            raise RefusedError(f"{self._active} runs are under way, which is the limit; wait for one, or cancel it")
        self._starts.append(now)
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1
