"""Progress on standard error: a live line on a terminal that names what is slow, a line per finish elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

_SLOW_S = 2.0
_BEAT_S = 0.25


class Progress:
    """Listens to a run's events and writes progress; a context manager.

    Args:
        stream: Standard error.
        live: True for a terminal: one line that is rewritten; after two seconds it names the slowest check.
        clock: Monotonic seconds; tests pass their own.
    """

    def __init__(self, stream: TextIO, *, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._live = live
        self._clock = clock
        self._running: dict[str, float] = {}
        self._total = self._done = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live:
            self._beat.join()
            self._write("\r\x1b[2K")

    def __call__(self, event: dict[str, Any]) -> None:
        """Take an event of the run."""
        with self._lock:
            if event["event"] == "run.started":
                self._total = len(event["ids"])
            elif event["event"] == "check.started":
                self._running[event["id"]] = self._clock()
            elif event["event"] == "check.finished":
                self._finished(event["result"])
        if self._live:
            self.draw()

    def draw(self) -> None:
        """Rewrite the live line."""
        with self._lock:
            line = self._line()
        self._write(f"\r\x1b[2K{line}")

    def _finished(self, result: dict[str, Any]) -> None:
        self._running.pop(result["id"], None)
        self._done += 1
        if not self._live:
            place = f"{self._done}/{self._total}"
            self._write(f"{place} {result['status']:<8} {result['id']} ({result['duration_s']:.2f} s)\n")

    def _line(self) -> str:
        line = f"{self._done} of {self._total} diagnostics"
        if self._running:
            slowest = min(self._running, key=lambda one: self._running[one])
            waited = self._clock() - self._running[slowest]
            if waited >= _SLOW_S:
                line += f", waiting {waited:.0f} s for {slowest}"
        return line

    def _tick(self) -> None:
        while not self._ended.wait(_BEAT_S):
            self.draw()

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
