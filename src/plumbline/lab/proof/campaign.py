"""Prove several guides, one after the other or side by side: choose them, prove them, record them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from plumbline.catalogue import Catalogue, CatalogueError, ProblemId
from plumbline.handbook.complaints import Complaint
from plumbline.handbook.load import Handbook, read
from plumbline.lab.fault import MACHINE
from plumbline.lab.proof import record
from plumbline.lab.proof.course import Course, Phase
from plumbline.lab.proof.later import side_by_side
from plumbline.lab.proof.prove import Prover
from plumbline.lab.proof.subject import Subject, SubjectError, choose, subject


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one guide: its course, and its record (None if it could not even be read)."""

    course: Course
    record: dict[str, Any] | None = field(default=None)


class Campaign:
    """The guides of a catalogue that are to be proven.

    Args:
        catalogue: The catalogue.
        ids: Which guides; none for all.

    Raises:
        CatalogueError: A name is no guide's, or the catalogue is empty.
    """

    def __init__(self, catalogue: Catalogue, ids: Iterable[str]) -> None:
        self.catalogue = catalogue
        self.present = [str(name) for name, _ in catalogue.guides()]
        self.handbook: Handbook
        self.complaints: list[Complaint]
        self.handbook, self.complaints = read(catalogue)
        self.ids = choose(self.present, ids)

    def run(
        self, prover: Prover, *, keep: bool, keep_going: bool, begin: Callable[[str], None], jobs: int = 1
    ) -> Iterator[Verdict]:
        """Prove them, and yield each verdict when it is there.

        Args:
            prover: Proves one.
            keep: Write records into the catalogue.
            keep_going: Go on after a guide that is not proven.
            begin: Told of each guide before its proof; with several jobs from their threads.
            jobs: Proofs at the same time. Those that need the machine to themselves come after all others, one by one.
        """
        alone = {name for name in self.ids if jobs == 1 or self._alone(name)}
        together = [name for name in self.ids if name not in alone]
        for batch, width in ((together, jobs), ([name for name in self.ids if name in alone], 1)):
            for verdict in side_by_side(batch, partial(self._verdict, prover, keep, begin), width, prover.abandon):
                yield verdict
                if not verdict.course.proven and not keep_going:
                    return

    def _alone(self, name: str) -> bool:
        with suppress(SubjectError):  # it is told when its turn comes
            return MACHINE in self.subject(name).fault.needs
        return False

    def _verdict(self, prover: Prover, keep: bool, begin: Callable[[str], None], name: str) -> Verdict:
        begin(name)
        began = time.monotonic()
        listen = partial(prover.listen, name)
        try:
            what = self.subject(name)
        except SubjectError as error:
            phase = Phase(
                "baseline", ok=False, sentence=f"cannot be proven: {error}", duration_s=time.monotonic() - began
            )
            listen("baseline", phase)
            return Verdict(Course(name, phases=[phase]))
        course = prover.prove(what)
        path = record.path_of(self.catalogue, name)
        found = record.record(self.catalogue, what, course, record.read(path))
        if keep:
            record.write(path, found)
        return Verdict(course, found)

    def subject(self, name: str) -> Subject:
        """Gather what belongs to one guide.

        Raises:
            SubjectError: A file of it is missing, or breaks its schema.
        """
        problem = ProblemId.parse(name)
        own = {str(problem.guide), str(problem.record), str(problem.diagnostic)}
        wrong = [complaint for complaint in self.complaints if complaint.path in own]
        if wrong or name not in self.handbook.guides:
            raise SubjectError("; ".join(map(str, wrong)) or f"{problem.guide}: cannot be read")
        return subject(self.handbook, name)


__all__ = ["Campaign", "CatalogueError", "Verdict"]
