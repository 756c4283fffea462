"""The fix on a lab of its own, broken afresh: decoys spoil a lab, and what they changed must not help the fix.

It runs beside the phases of the first lab, which it shares nothing with; its outcome is told after theirs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from plumbline.lab.errors import LabError
from plumbline.lab.proof import phases
from plumbline.lab.proof.acts import Acts, StopError
from plumbline.lab.proof.course import Course, PhaseError
from plumbline.lab.proof.stage import Stage

Setting = Callable[[Acts, str], AbstractContextManager[Stage]]
"""Starts a lab and ends it; called with the acts, and the phase that is red if it cannot start."""


def cure(stage: Stage, acts: Acts, *, afresh: bool = False) -> None:
    """Play the fix and green on a broken lab.

    Raises:
        StopError: One is red.
    """
    began = time.monotonic()

    def fixed() -> str:
        nonlocal began
        if afresh:
            phases.inject(stage, acts.course)
            phases.told(stage)
        began = time.monotonic()
        said = phases.fix(stage, acts.course)
        return f"{said} (on a lab broken afresh)" if afresh else said

    acts.act("fix", fixed)
    acts.act("green", lambda: phases.green(stage, acts.course, began))


class Cure:
    """Breaks and mends a second lab; a context manager, which ends it.

    Args:
        setting: Starts the lab.
        course: That of the first lab; what the fix adds to it is taken over by `conclude`.
        beside: Run beside the first lab; else `conclude` runs it.
    """

    def __init__(self, setting: Setting, course: Course, *, beside: bool) -> None:
        self._course = Course(course.id)
        self._acts = Acts(self._course, lambda _id, _name, _phase: None)
        self._setting = setting
        self._cancelled = threading.Event()
        self._stage: Stage | None = None
        self._thread = threading.Thread(target=self._run, name="cure", daemon=True) if beside else None

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancelled.set()
        if self._thread is not None:
            if self._thread.is_alive() and self._stage is not None:
                self._stage.abandon()
            self._thread.join()

    def took_s(self) -> float | None:
        """Return how long the fix took to turn the diagnostic green, in seconds; None as long as nobody knows."""
        return self._course.time_to_green_s

    def conclude(self, acts: Acts) -> None:
        """Wait for its end, and add it to the course of the first lab.

        Raises:
            StopError: It was red.
        """
        if self._thread is not None:
            acts.begin("fix")
            self._thread.join()
        else:
            self._run()
        acts.course.green, acts.course.time_to_green_s = self._course.green, self._course.time_to_green_s
        for phase in self._course.phases:
            acts.begin(phase.name)
            acts.add(phase)
        if self._course.failed is not None:
            raise StopError

    def _run(self) -> None:
        try:
            with self._setting(self._acts, "fix") as self._stage:
                self._stage.cancelled = self._cancelled
                phases.served(self._stage)
                self._course.baseline = self._stage.service()
                cure(self._stage, self._acts, afresh=True)
        except StopError:
            return
        except (PhaseError, LabError) as error:  # it does not get healthy, or was abandoned
            self._acts.begin("fix")
            self._acts.end("fix", str(error), ok=False)
