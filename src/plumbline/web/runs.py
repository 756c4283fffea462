"""Runs of diagnostics that pages start: single-flight, rate-limited, cancellable, their events readable again."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from plumbline.web.errors import Refusal

HEARTBEAT_S = 15.0
Event = dict[str, Any]
OnEvent = Callable[[Event], None]
Judge = Callable[[tuple[str, ...], str, OnEvent, threading.Event], None]
"""Runs diagnostics (ids, target, on_event, cancel) and returns when the last event was reported."""


@dataclass(eq=False)
class Run:
    """One run: what was asked, what has happened so far, and who is to be woken by more."""

    ids: tuple[str, ...]
    target: str
    id: str = field(default_factory=lambda: f"r{secrets.token_hex(8)}")
    events: list[Event] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    finished: bool = False

    def append(self, event: Event) -> None:
        """Add an event and wake who follows; on the loop's thread only."""
        self.events.append(event)
        self._wake()

    def finish(self) -> None:
        """Nothing more comes."""
        self.finished = True
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    @property
    def report(self) -> Event | None:
        """The report, once there is one."""
        return next((event["report"] for event in reversed(self.events) if event["event"] == "run.finished"), None)


class Runs:
    """Starts and remembers runs; lives on one event loop, judges in threads.

    Args:
        judge: Does the work, in a thread.
        active: Runs under way at once.
        per_minute: Starts per minute.
        kept: Finished runs that stay readable.
        clock: Monotonic seconds; tests pass their own.
    """

    def __init__(
        self, judge: Judge, *, active: int, per_minute: int, kept: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._judge = judge
        self._active = active
        self._per_minute = per_minute
        self._kept = kept
        self._clock = clock
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._starts: deque[float] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        """Runs under way."""
        return sum(not run.finished for run in self._runs.values())

    def start(self, ids: tuple[str, ...], target: str) -> tuple[Run, bool]:
        """Start a run, or join the one that is already doing the same. Returns (run, joined).

        Raises:
            Refusal: Too many runs are under way or were started within the minute (429).
        """
        for run in self._runs.values():
            if not run.finished and not run.cancel.is_set() and (run.ids, run.target) == (ids, target):
                return run, True
        self._check_rate()
        run = Run(ids, target)
        self._runs[run.id] = run
        task = asyncio.get_running_loop().create_task(self._work(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._forget()
        return run, False

    def get(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            Refusal: There is none of that id, or it was forgotten (404).
        """
        run = self._runs.get(run_id)
        if run is None:
            raise Refusal(
                404, "no_run", f"there is no run '{run_id}'", f"the last {self._kept} are kept; start a new one"
            )
        return run

    async def follow(self, run: Run, after: int = 0) -> AsyncIterator[tuple[int, Event] | None]:
        """Yield (number, event) from the one after `after`, None as a heartbeat, and end with the run."""
        seen = after
        while True:
            while seen < len(run.events):
                seen += 1
                yield seen, run.events[seen - 1]
            if run.finished:
                return
            try:
                await asyncio.wait_for(run.changed.wait(), HEARTBEAT_S)
            except TimeoutError:
                yield None

    async def close(self) -> None:
        """Cancel what is under way and wait for it."""
        for run in self._runs.values():
            run.cancel.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check_rate(self) -> None:
        now = self._clock()
        while self._starts and now - self._starts[0] >= 60:
            self._starts.popleft()
        if len(self._starts) >= self._per_minute:
            wait = max(1, round(60 - (now - self._starts[0])))
            raise Refusal(429, "rate", f"{self._per_minute} runs were started within a minute", f"wait {wait} s", wait)
        if self.active >= self._active:
            raise Refusal(
                429, "busy", f"{self.active} runs are under way, which is the limit", "wait for one, or cancel it", 1
            )
        self._starts.append(now)

    def _forget(self) -> None:
        done = [run_id for run_id, run in self._runs.items() if run.finished]
        for run_id in done[: max(0, len(self._runs) - self._kept)]:
            del self._runs[run_id]

    async def _work(self, run: Run) -> None:
        loop = asyncio.get_running_loop()

        def report(event: Event) -> None:
            loop.call_soon_threadsafe(run.append, event)

        try:
            await asyncio.to_thread(self._judge, run.ids, run.target, report, run.cancel)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the page is told and the run ends
            run.append({"event": "run.failed", "sentence": f"the run broke off: {error}"})
        run.finish()
