"""One broken (or about to be broken) lab on the stage of a proof, and how the prover watches it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from plumbline.diagnosis.report import Result
from plumbline.lab.fault import Fault, Felt
from plumbline.lab.lab import RunningLab
from plumbline.lab.proof import health
from plumbline.lab.proof.course import PhaseError
from plumbline.lab.proof.looks import Looks
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.subject import Subject
from plumbline.lab.proof.witness import Sample, Witness, lasting, streak
from plumbline.lab.service import Service


@dataclass(slots=True, eq=False)
class Stage:
    """A lab, its fault, and the witness.

    Args:
        subject: What is proven.
        lab: The running lab.
        fault: The fault of this lab.
        witness: The diagnostics.
        patience: Time limits.
        injected_at: When the fault was injected (monotonic clock, in seconds).
        crew: Processes that ran before the fix, by name: a fix must not remove them.
        first_red: The first red with a declared cause.
        looks: Those since the injection.
        cancelled: When set, every wait ends.
    """

    subject: Subject
    lab: RunningLab
    fault: Fault
    witness: Witness
    patience: Patience
    injected_at: float = 0.0
    crew: frozenset[str] = frozenset()
    first_red: Sample | None = field(default=None)
    looks: Looks | None = field(default=None)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def wait(self, step: Callable[[], bool], limit_s: float, failure: Callable[[], str]) -> None:
        """Repeat a step until it is true.

        Raises:
            PhaseError: It was not within the limit (`failure` words it), or the stage was abandoned.
        """
        deadline = time.monotonic() + limit_s
        while not step():
            if time.monotonic() > deadline:
                raise PhaseError(f"{failure()} (waited {limit_s:.0f} s)")
            if self.cancelled.wait(self.patience.poll_s):
                raise PhaseError("the proof was given up")

    def abandon(self) -> None:
        """End the lab under whoever plays on it, from another thread."""
        self.cancelled.set()
        self.witness.cancelled.set()
        self.lab.link.close()

    def service(self) -> Service:
        """Return what the workload measured lately."""
        return self.lab.service(self.patience.window_s)

    def unserved(self, baseline: Service | None = None) -> list[str]:
        """Return what is wrong with the service now, held against the baseline if there is one."""
        service = self.service()
        plan = self.lab.workload
        found = health.complaints(
            service, connects=plan.connects_hz > 0, messages=plan.channels > 0, requests=plan.requests_hz > 0
        )
        if baseline is not None:
            found += health.worse(service, baseline)
        return found + self.missing()

    def missing(self) -> list[str]:
        """Return which processes are no longer there: deletion is no fix."""
        gone = sorted(name for name in self.crew if self.lab.gone(name))
        return [f"'{name}' is no longer running" for name in gone]

    def felt(self) -> Felt:
        """Ask the fault how the workload feels."""
        return self.fault.felt(self.lab)

    def look(self) -> Sample:
        """Run the linked diagnostic once, and note the first red that has a declared cause."""
        sample = self.witness.look()
        self._note(sample)
        return sample

    def glance(self) -> None:
        """Look at the linked diagnostic until the first red with a declared cause; do not wait for the outcome."""
        if self.first_red is None and self.looks is not None:
            for sample in self.looks.step():
                self._note(sample)

    def linger(self, until: Future[Any]) -> None:
        """Go on looking while something else goes on: as long as nothing is done, each look counts."""
        looks = Looks(self.witness, self.patience)

        def over() -> bool:
            if not lasting(self.since_red(), self.patience.hold_runs, self.patience.hold_s, red=True):
                looks.step()
            return until.done()

        self.wait(over, math.inf, self.last_words)

    def since_red(self) -> list[Sample]:
        """Return the looks since the first red with a declared cause."""
        first = self.first_red
        return [sample for sample in self.witness.samples if first is not None and sample.moment >= first.moment]

    def _note(self, sample: Sample) -> None:
        if sample.red and self.first_red is None and sample.result.cause in self.causes:
            self.first_red = sample

    @property
    def causes(self) -> frozenset[str]:
        """Ids of the causes that the record declares."""
        return frozenset(cause.id for cause in self.subject.problem.causes)

    def strangers(self, results: dict[str, Result]) -> list[str]:
        """Return the red diagnostics that the record does not declare, one phrase each."""
        allowed = {self.subject.linked, *self.subject.problem.collateral}
        return [
            f"{result.id} is {result.status}: {result.sentence}"
            for result in results.values()
            if result.status.red and result.id not in allowed
        ]

    def settle(
        self,
        limit_s: float,
        *,
        hold_s: Callable[[], float] | float,
        served: Callable[[], bool],
        red_ends: bool,
        before: Sequence[Sample] = (),
    ) -> tuple[bool, list[Sample]]:
        """Watch until the diagnostic has agreed with itself for long enough.

        Args:
            limit_s: Longest wait, in seconds.
            hold_s: How long it must agree, in seconds; asked again at each look if it is not known yet.
            served: Asked beside each green; a green while the workload is not served counts nothing.
            red_ends: Stop at lasting red, too; after a fix red may take its time to go.
            before: Looks that count already: nothing was done since the first of them.

        Returns:
            (True, the streak) for lasting red, (False, the streak) for lasting green.

        Raises:
            PhaseError: It goes to and fro, or cannot be judged.
        """
        samples: list[Sample] = list(before)
        looks, ends = Looks(self.witness, self.patience), (True, False) if red_ends else (False,)

        def agrees() -> bool:
            long_s = hold_s() if callable(hold_s) else hold_s
            return any(lasting(samples, self.patience.hold_runs, long_s, red=red) for red in ends)

        def step() -> bool:
            if samples and agrees():
                return True
            return any(self._counts(sample, samples, served) and agrees() for sample in looks.step())

        self.wait(step, limit_s, lambda: f"it comes to no rest: {self.last_words()}")
        return samples[-1].red, streak(samples, red=samples[-1].red)

    @staticmethod
    def _counts(sample: Sample, samples: list[Sample], served: Callable[[], bool]) -> bool:
        """Add a look to the others; a green while the workload is not served counts nothing, nor what was before it."""
        if sample.green and not served():
            samples.clear()
            return False
        samples.append(sample)
        return True

    def last_words(self) -> str:
        """Return the latest status and sentence of the linked diagnostic."""
        if not self.witness.samples:
            return f"{self.subject.linked} has not run"
        result = self.witness.samples[-1].result
        return f"{result.id} says {result.status}: {result.sentence}"
