"""Play phases one by one, and note in the course how each went."""

from __future__ import annotations

import time
from collections.abc import Callable

from plumbline.lab.errors import LabError
from plumbline.lab.proof.course import Course, Phase, PhaseError

Listener = Callable[[str, str, Phase | None], None]
"""Called with the guide's id, the name of a phase, and None when it begins, its outcome when it ends."""


class StopError(Exception):
    """A phase was red; the later ones cannot be tried."""


class Acts:
    """The phases of one course.

    Args:
        course: Where they are noted.
        listen: Told of the progress.
    """

    def __init__(self, course: Course, listen: Listener) -> None:
        self.course = course
        self._listen = listen
        self._began: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """Note when a phase begins; starting its lab belongs to it."""
        if name not in self._began:
            self._began[name] = time.monotonic()
            self._listen(self.course.id, name, None)

    def end(self, name: str, sentence: str, *, ok: bool) -> None:
        """Note how it went."""
        self.add(Phase(name, ok, sentence, time.monotonic() - self._began.pop(name)))

    def add(self, phase: Phase) -> None:
        """Note a phase that was played elsewhere."""
        self.course.phases.append(phase)
        self._listen(self.course.id, phase.name, phase)

    def act(self, name: str, play: Callable[[], str], *, stop: bool = True) -> None:
        """Play one phase and note how it went.

        Raises:
            StopError: It is red.
        """
        self.begin(name)
        try:
            sentence = play()
        except (PhaseError, LabError) as error:
            self.end(name, str(error), ok=False)
        except Exception as error:  # noqa: BLE001 - a fault or a diagnostic of the catalogue may raise anything
            self.end(name, f"{type(error).__name__}: {error}", ok=False)
        else:
            self.end(name, sentence, ok=True)
            return
        if stop:
            raise StopError
