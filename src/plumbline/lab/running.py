"""Start a lab, and take it down at the end, whatever ends it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from plumbline.lab import needs
from plumbline.lab.fault import Topology
from plumbline.lab.holds import reap
from plumbline.lab.lab import RunningLab


@contextlib.contextmanager
def running(topology: Topology, *, purpose: str, problem: str | None = None) -> Iterator[RunningLab]:
    """Reap dead labs, start one, and take it down at the end, whatever ends it.

    Args:
        topology: What to build.
        purpose: `serve`, `practice` or `prove`.
        problem: Id of the problem it is for.

    Raises:
        MissingError: The machine lacks something; the sentence says what.
        LabError: A part does not start.
    """
    needs.check(topology.needs)
    reap()
    lab = RunningLab(topology, purpose, problem)
    try:
        lab.start()
        yield lab
    finally:
        lab.close()
