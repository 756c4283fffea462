"""The diagnostics as the proof's witness: the linked one again and again, and all of them for the matrix."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.report import Report, Result
from plumbline.evidence import Endpoint
from plumbline.lab.proof.later import later


class Diagnoses(Protocol):
    """What the proof needs of `plumbline.diagnosis.runner.Runner`."""

    def run(self, ids: list[str] | None, endpoint: Endpoint, *, cancel: threading.Event | None = None) -> Report:
        """Run diagnostics, all for None; once `cancel` is set, what runs is killed."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of the linked diagnostic, and when it ended (monotonic clock, in seconds)."""

    moment: float
    result: Result

    @property
    def red(self) -> bool:
        """True for warning and critical."""
        return self.result.status.red

    @property
    def green(self) -> bool:
        """True for ok; unknown is neither."""
        return self.result.status is Status.OK


@dataclass(slots=True)
class Witness:
    """Runs the diagnostics against one lab.

    Args:
        runner: Started workers.
        linked: Id of the linked diagnostic.
        endpoint: Where the lab is now (a restart changes the pid).
        clock: Monotonic, in seconds.
        cancelled: When set, nothing runs any more.
    """

    runner: Diagnoses
    linked: str
    endpoint: Callable[[], Endpoint]
    clock: Callable[[], float] = time.monotonic
    cancelled: threading.Event = field(default_factory=threading.Event)
    samples: list[Sample] = field(default_factory=list)
    _beside: list[Future[Any]] = field(default_factory=list)

    def look(self) -> Sample:
        """Run the linked diagnostic once."""
        report = self.runner.run([self.linked], self.endpoint(), cancel=self.cancelled)
        sample = Sample(self.clock(), report.results[0])
        self.samples.append(sample)
        return sample

    def look_beside(self) -> Future[Sample]:
        """Run it beside what the caller does; `rest` waits for its end."""
        future = later(self.look)
        self._beside = [one for one in self._beside if not one.done()] + [future]
        return future

    def look_at_all(self) -> dict[str, Result]:
        """Run all diagnostics; results by id. The linked one's counts as a look at it, too."""
        results = {
            result.id: result for result in self.runner.run(None, self.endpoint(), cancel=self.cancelled).results
        }
        if self.linked in results:
            self.samples.append(Sample(self.clock(), results[self.linked]))
        return results

    def look_at_all_beside(self) -> Future[dict[str, Result]]:
        """Run all diagnostics beside what the caller does; `rest` waits for their end."""
        future = later(self.look_at_all)
        self._beside.append(future)
        return future

    def rest(self) -> None:
        """Wait until no diagnostic runs any more: those in a lab's namespace would outlive the lab."""
        wait(self._beside)


def streak(samples: list[Sample], *, red: bool) -> list[Sample]:
    """Return the last samples that agree without a break: all red, or all green."""
    found: list[Sample] = []
    for sample in reversed(samples):
        if not (sample.red if red else sample.green):
            break
        found.append(sample)
    return found[::-1]


def lasting(samples: list[Sample], runs: int, seconds: float, *, red: bool) -> list[Sample]:
    """Return the last streak if it is long enough in runs and in time, else nothing."""
    found = streak(samples, red=red)
    if len(found) < runs or found[-1].moment - found[0].moment < seconds:
        return []
    return found
