"""Start a lab, and take it down at the end, whatever ends it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from plumbline.lab import needs
from plumbline.lab.fault import Topology
from plumbline.lab.holds import reap
from plumbline.lab.lab import RunningLab


@contextlib.contextmanager
def running(
    topology: Topology, *, purpose: str, problem: str | None = None, isolated: bool = False
) -> Iterator[RunningLab]:
    """Reap dead labs, start one, and take it down at the end, whatever ends it.

    Args:
        topology: What to build.
        purpose: `serve`, `practice` or `prove`.
        problem: Id of the problem it is for.
        isolated: Give it a network namespace even if the topology does not ask for one, where the machine allows it:
            ports, sockets and the kernel's counters are then its own, and labs side by side know nothing of each other.

    Raises:
        MissingError: The machine lacks something; the sentence says what.
        LabError: A part does not start.
    """
    needs.check(topology.needs)
    reap()
    if isolated and not topology.netns and needs.isolating():
        topology = replace(topology, netns=True)
    lab = RunningLab(topology, purpose, problem)
    try:
        lab.start()
        yield lab
    finally:
        lab.close()
