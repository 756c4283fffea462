"""Prove one guide: run the phases on a lab of its own, and clean up whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points

from plumbline.catalogue import Catalogue
from plumbline.lab import needs
from plumbline.lab.errors import LabError
from plumbline.lab.lab import RunningLab
from plumbline.lab.proof import phases
from plumbline.lab.proof.course import Course, Phase, PhaseError
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.subject import Subject
from plumbline.lab.proof.versions import versions
from plumbline.lab.proof.witness import Diagnoses, Witness
from plumbline.lab.running import running

Listener = Callable[[str, Phase | None], None]
"""Called with the name of a phase and None when it begins, and with its outcome when it ends."""


class _StopError(Exception):
    """A phase was red; the later ones cannot be tried."""


def search() -> phases.Find | None:
    """Return the search that is installed (entry-point group `plumbline.search`), or None."""
    for point in entry_points(group="plumbline.search", name="find"):
        found: phases.Find = point.load()
        return found
    return None


class Prover:
    """Proves guides of one catalogue.

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
        find: phases.Find | None,
        patience: Patience | None = None,
        listen: Listener | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.runner = runner
        self.find = find
        self.patience = patience or Patience()
        self.listen = listen or (lambda _name, _phase: None)
        self._began: dict[str, float] = {}

    def prove(self, subject: Subject) -> Course:
        """Prove one guide; what goes wrong is in the course, not raised."""
        course = Course(subject.id, versions=versions(subject))
        began = time.monotonic()
        labs: list[RunningLab] = []
        with suppress(_StopError):
            self._play(subject, course, labs)
        self._act(course, "clean-up", lambda: _clean(labs), stop=False)
        course.duration_s = time.monotonic() - began
        return course

    def _play(self, subject: Subject, course: Course, labs: list[RunningLab]) -> None:
        """Play all phases. Decoys spoil a lab, so that a fix after decoys begins on a lab that was broken afresh."""
        with self._stage(subject, course, labs) as stage:
            self._act(course, "baseline", lambda: phases.baseline(stage, course))
            self._act(course, "inject", lambda: phases.inject(stage, course))
            self._act(course, "red", lambda: phases.red(stage, course))
            self._act(course, "found", lambda: phases.found(stage, course, self.catalogue, self.find))
            self._act(course, "control", lambda: phases.control(stage, course))
            if not subject.decoys:
                self._cure(stage, course)
                return
        with self._stage(subject, course, labs, first="fix") as stage:
            self._cure(stage, course, afresh=True)

    def _cure(self, stage: Stage, course: Course, *, afresh: bool = False) -> None:
        began = time.monotonic()

        def fixed() -> str:
            nonlocal began
            if afresh:
                phases.served(stage)
                phases.inject(stage, course)
                phases.told(stage)
            began = time.monotonic()
            said = phases.fix(stage, course)
            return f"{said} (on a lab broken afresh)" if afresh else said

        self._act(course, "fix", fixed)
        self._act(course, "green", lambda: phases.green(stage, course, began))

    @contextmanager
    def _stage(
        self, subject: Subject, course: Course, labs: list[RunningLab], first: str = "baseline"
    ) -> Iterator[Stage]:
        """Start a lab; one that cannot start makes the phase that needed it red."""
        fault = subject.fault()
        self._begin(first)
        try:
            needs.check(needs.required(fault))
            platform = running(fault.topology, purpose="prove", problem=subject.id)
            lab = platform.__enter__()
        except LabError as error:
            self._end(course, first, f"cannot run: {error}", ok=False)
            raise _StopError from None
        labs.append(lab)
        try:
            witness = Witness(self.runner, subject.linked, lambda: lab.endpoint)
            yield Stage(subject, lab, fault, witness, self.patience)
        finally:
            platform.__exit__(None, None, None)

    def _act(self, course: Course, name: str, play: Callable[[], str], *, stop: bool = True) -> None:
        """Play one phase and note how it went.

        Raises:
            _StopError: It is red.
        """
        self._begin(name)
        try:
            sentence = play()
        except (PhaseError, LabError) as error:
            self._end(course, name, str(error), ok=False)
        except Exception as error:  # noqa: BLE001 - a fault or a diagnostic of the catalogue may raise anything
            self._end(course, name, f"{type(error).__name__}: {error}", ok=False)
        else:
            self._end(course, name, sentence, ok=True)
            return
        if stop:
            raise _StopError

    def _begin(self, name: str) -> None:
        """Note when a phase begins; starting its lab belongs to it."""
        if name not in self._began:
            self._began[name] = time.monotonic()
            self.listen(name, None)

    def _end(self, course: Course, name: str, sentence: str, *, ok: bool) -> None:
        phase = Phase(name, ok, sentence, time.monotonic() - self._began.pop(name))
        course.phases.append(phase)
        self.listen(name, phase)


def _clean(labs: list[RunningLab]) -> str:
    """See to it that nothing of the labs is left on the machine.

    Raises:
        PhaseError: Something is.
    """
    left = [thing for lab in labs for thing in lab.leftovers()]
    if left:
        raise PhaseError(f"left behind: {', '.join(left)}")
    if not labs:
        return "no lab was started"
    return f"nothing is left of {len(labs)} lab{'' if len(labs) == 1 else 's'}"
