"""Does the search lead to the guide, from the record's paraphrases and from the log of this very fault?"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from plumbline.catalogue import Catalogue
from plumbline.lab.proof.course import Course, Found, PhaseError, short
from plumbline.lab.proof.later import later
from plumbline.lab.proof.stage import Stage

RANK = 3
"""The guide must be among the first three answers."""
LOG_LINES = 50
"""An operator pastes the end of a log, not all of it."""
Find = Callable[..., list[dict[str, object]]]


class Finding:
    """The queries of one proof and their answers.

    Args:
        stage: The broken lab.
        catalogue: Where the guides lie.
        find: The search; None if none is installed.
    """

    def __init__(self, stage: Stage, catalogue: Catalogue, find: Find | None) -> None:
        self._stage = stage
        self._catalogue = catalogue
        self._find = find
        self._answers: Future[list[Found]] | None = None

    def begin(self) -> None:
        """Ask what the record's paraphrases lead to, beside what the caller does; the log has time to say more."""
        self._answers = later(self._paraphrases)

    def found(self, course: Course) -> str:
        """Wait for the answers, and judge them.

        Raises:
            PhaseError: No search is installed, nothing was logged, or a query does not lead to the guide.
        """
        if self._answers is None:
            self.begin()
        assert self._answers is not None  # noqa: S101 - just begun; for the type checker
        course.found = self._answers.result() + self._logged()
        missed = [one for one in course.found if one.rank is None or one.rank > RANK]
        if missed:
            what = "; ".join(f"{short(one.query)!r} puts it at {one.rank or 'no'} rank" for one in missed)
            raise PhaseError(f"the search does not lead to the guide: {what}")
        worst = max(one.rank or 0 for one in course.found)
        logged = ", the captured log among them" if any(one.register == "log" for one in course.found) else ""
        kinds = f"{len(course.found)} queries{logged}"
        return f"{kinds}: rank 1 for all" if worst == 1 else f"{kinds}: rank {worst} at worst"

    def _paraphrases(self) -> list[Found]:
        return [self._ask(text, "paraphrase") for text in self._stage.subject.problem.paraphrases]

    def _logged(self) -> list[Found]:
        log = "\n".join(self._stage.fault.logs(self._stage.lab).strip().splitlines()[-LOG_LINES:])
        if not log and self._stage.subject.problem.signatures:
            raise PhaseError("the record declares log signatures, but nothing was logged while the fault lasted")
        return [self._ask(log, "log")] if log else []

    def _ask(self, query: str, register: str) -> Found:
        if self._find is None:
            raise PhaseError("no search is installed, so nothing can be found: pip install 'plumbline[search]'")
        answers = [str(answer["id"]) for answer in self._find(query, catalogue=self._catalogue, limit=10)]
        pages = list(dict.fromkeys(answers))
        rank = pages.index(self._stage.subject.id) + 1 if self._stage.subject.id in pages else None
        return Found(query[:500], register, rank)
