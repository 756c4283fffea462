"""Runs of diagnostics for an assistant: paced, cancellable, their results redacted for sharing."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from plumbline.assistant.diagnostics import check
from plumbline.assistant.pace import Pace
from plumbline.catalogue import Catalogue
from plumbline.diagnosis.bundle import Wish, shareable
from plumbline.diagnosis.report import Report
from plumbline.diagnosis.runner import Event, Runner
from plumbline.diagnosis.targets import resolve

JOBS = 2
Progress = Callable[[float, float, str], Awaitable[None]]
"""Hears (finished, all, what) after each check."""


class Runs:
    """Runs diagnostics of one catalogue; a context manager that leaves no worker behind.

    The worker starts with the first run: most sessions only read.

    Args:
        catalogue: Where the diagnostics lie.
        pace: How much may be asked for.
    """

    def __init__(self, catalogue: Catalogue, *, pace: Pace | None = None) -> None:
        self._catalogue = catalogue
        self._pace = pace or Pace()
        self._runner: Runner | None = None
        self._starting = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self._runner.close()

    async def run(self, ids: list[str], target: str, progress: Progress) -> Report:
        """Run diagnostics and return the report, as a bundle would hold it.

        When the caller is cancelled, what runs is killed first.

        Args:
            ids: Which; all if empty.
            target: Name of a configured target, or `lab`.
            progress: Hears of each finished check: its id and status only.

        Raises:
            RefusedError: An id is unknown, the target may not be named, or there are too many runs.
            TargetError: The configuration of targets is wrong.
        """
        await anyio.to_thread.run_sync(check, self._catalogue, ids, target)
        cancel = threading.Event()
        loop = asyncio.get_running_loop()
        send, receive = anyio.create_memory_object_stream[Event](math.inf)

        def hear(event: Event) -> None:  # on threads of the run; it ends after the last one, so the stream is open
            loop.call_soon_threadsafe(send.send_nowait, event)

        def work() -> Report:
            wish = Wish(ids=ids or None, endpoint=resolve(target), cancel=cancel)
            return shareable(self._started(), wish, hear)

        with self._pace.run():
            async with anyio.create_task_group() as group:
                group.start_soon(_tell, receive, progress)
                async with send:
                    report = await _cancellable(work, cancel)
        return report

    def _started(self) -> Runner:
        with self._starting:
            if self._runner is None:
                self._runner = Runner(self._catalogue, jobs=JOBS).__enter__()
            return self._runner


async def _cancellable(work: Callable[[], Report], cancel: threading.Event) -> Report:
    """Do the work in a thread; when we are cancelled, tell it, and wait until it has ended."""

    async def watch() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancel.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        report = await anyio.to_thread.run_sync(work)
        group.cancel_scope.cancel()
    return report


async def _tell(events: MemoryObjectReceiveStream[Event], progress: Progress) -> None:
    total = 0
    done = 0
    async with events:
        async for event in events:
            if event["event"] == "run.started":
                total = len(event["ids"])
            elif event["event"] == "check.finished":
                done += 1
                result: dict[str, Any] = event["result"]
                await progress(done, total, f"{result['id']}: {result['status']}")
