"""Prove one guide: run the phases on labs of its own, and clean up whatever happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from importlib.metadata import entry_points

from plumbline.catalogue import Catalogue
from plumbline.lab import needs
from plumbline.lab.errors import LabError
from plumbline.lab.fault import MACHINE
from plumbline.lab.lab import RunningLab
from plumbline.lab.proof import phases
from plumbline.lab.proof.acts import Acts, Listener, StopError
from plumbline.lab.proof.control import control
from plumbline.lab.proof.course import Course, PhaseError
from plumbline.lab.proof.cure import Cure, cure
from plumbline.lab.proof.finding import Find, Finding
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.subject import Subject
from plumbline.lab.proof.versions import versions
from plumbline.lab.proof.witness import Diagnoses, Witness
from plumbline.lab.running import running

_LET_GO_S = 3.0
"""Within this time the kernel has let go of what has ended, in seconds."""


def search() -> Find | None:
    """Return the search that is installed (entry-point group `plumbline.search`), or None."""
    for point in entry_points(group="plumbline.search", name="find"):
        found: Find = point.load()
        return found
    return None


class Prover:
    """Proves guides of one catalogue; several threads may call `prove` at once.

    Args:
        catalogue: The catalogue.
        runner: Started workers for its diagnostics.
        find: The search; None if there is none, which makes `found` red.
        patience: Time limits.
        listen: Told of the progress.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        runner: Diagnoses,
        *,
        find: Find | None,
        patience: Patience | None = None,
        listen: Listener | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.runner = runner
        self.find = find
        self.patience = patience or Patience()
        self._stages: set[Stage] = set()
        self._abandoned = False
        self.listen = listen or (lambda _id, _name, _phase: None)

    def prove(self, subject: Subject) -> Course:
        """Prove one guide; what goes wrong is in the course, not raised."""
        course = Course(subject.id, versions=versions(subject))
        began = time.monotonic()
        labs: list[RunningLab] = []
        acts = Acts(course, self.listen)
        with suppress(StopError):
            self._play(subject, acts, labs)
        acts.act("clean-up", lambda: _clean(labs), stop=False)
        course.duration_s = time.monotonic() - began
        return course

    def abandon(self) -> None:
        """Give up all proofs under way, from another thread than theirs; their labs go, and no other begins."""
        self._abandoned = True
        for stage in list(self._stages):
            stage.abandon()

    def _play(self, subject: Subject, acts: Acts, labs: list[RunningLab]) -> None:
        """Play all phases. Decoys spoil a lab, so that a fix after decoys begins on a lab that was broken afresh."""
        course = acts.course
        setting = partial(self._stage, subject, labs)
        beside = MACHINE not in subject.fault.needs
        second = Cure(setting, course, beside=beside) if subject.decoys else None
        with second or nullcontext():
            with setting(acts, "baseline") as stage:
                acts.act("baseline", lambda: phases.baseline(stage, course))
                acts.act("inject", lambda: phases.inject(stage, course))
                finding = Finding(stage, self.catalogue, self.find)
                acts.act("red", lambda: phases.red(stage, course, finding.begin))
                acts.act("found", lambda: finding.found(course))
                took_s = second.took_s if second is not None and beside else None
                acts.act("control", lambda: control(stage, course, took_s))
                if second is None:
                    cure(stage, acts)
                    return
            second.conclude(acts)

    @contextmanager
    def _stage(self, subject: Subject, labs: list[RunningLab], acts: Acts, first: str) -> Iterator[Stage]:
        """Start a lab; one that cannot start makes the phase that needed it red."""
        if first == "baseline":
            acts.begin(first)
        try:
            fault = subject.fault()
            needs.check(needs.required(fault))
            platform = running(fault.topology, purpose="prove", problem=subject.id, isolated=True)
            lab = platform.__enter__()
        except LabError as error:
            acts.begin(first)
            acts.end(first, f"cannot run: {error}", ok=False)
            raise StopError from None
        labs.append(lab)
        witness = Witness(self.runner, subject.linked, lambda: lab.endpoint)
        stage = Stage(subject, lab, fault, witness, self.patience)
        self._stages.add(stage)
        if self._abandoned:
            stage.abandon()
        try:
            yield stage
        finally:
            self._stages.discard(stage)
            witness.rest()
            platform.__exit__(None, None, None)


def _clean(labs: list[RunningLab]) -> str:
    """See to it that nothing of the labs is left on the machine.

    Raises:
        PhaseError: Something is.
    """
    deadline = time.monotonic() + _LET_GO_S
    while (left := [thing for lab in labs for thing in lab.leftovers()]) and time.monotonic() < deadline:
        time.sleep(0.05)  # a diagnostic has answered before its process ends
    if left:
        raise PhaseError(f"left behind: {', '.join(left)}")
    if not labs:
        return "no lab was started"
    return f"nothing is left of {len(labs)} lab{'' if len(labs) == 1 else 's'}"
