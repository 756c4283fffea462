"""Looks at the linked diagnostic that begin one after the other, and do not wait for each other."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future

from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.witness import Sample, Witness


class Looks:
    """One stretch of watching: only runs that begin in it count.

    A diagnostic that watches for three seconds is begun again before it has ended, so that several of its runs fit into
    little more than one; a quick one is run again when it has ended, but not without a pause: each run is a process.
    Where one could not judge (it ran out of time on a busy machine), they go one by one from then on.

    Args:
        witness: Runs the diagnostic.
        patience: How many runs must agree, and over which time: at most so many go on at once, evenly spread over it.
    """

    def __init__(self, witness: Witness, patience: Patience) -> None:
        self._witness = witness
        self._most = patience.hold_runs
        self._every_s = patience.hold_s / max(1, patience.hold_runs - 1)
        self._pause_s = patience.look_s
        self._running: deque[Future[Sample]] = deque()
        self._began = 0.0

    def step(self) -> list[Sample]:
        """Begin a run if it is time, and return those that have ended, in the order in which they began."""
        ended = []
        while self._running and self._running[0].done():
            ended.append(self._running.popleft().result())
            if not (ended[-1].red or ended[-1].green):
                self._most = 1
        since_s = time.monotonic() - self._began
        due = len(self._running) < self._most and since_s >= self._every_s
        if due or (not self._running and since_s >= min(self._every_s, self._pause_s)):
            self._began = time.monotonic()
            self._running.append(self._witness.look_beside())
        return ended
