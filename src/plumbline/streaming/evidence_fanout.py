"""What it costs to deliver each message to all of its readers, and how much processor there is for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes import family
from plumbline.streaming.probes import work as processor
from plumbline.streaming.probes.reached import asked, malformed, process_of

WINDOW_S = 1.0
BUSY_S = 12.0
"""So long an answer may take, twice within the diagnostic's 40 s: the server is asked while it sends all the time."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """Deliveries of a gateway, and their cost."""

    window_s: float = measured("s", "how long it was watched")
    published: int = measured("{message}", "messages published in the window")
    deliveries: int = measured("{message}", "messages handed to readers in the window")
    connections: int = measured("{connection}", "open connections")
    loop_lag_s: float = measured("s", "worst lateness of an event loop in the last 10 to 20 s")
    processes: int = measured("{process}", "processes that serve clients")
    cpu_s: float | None = measured("s", "processor time they used in the window; None: unknown", default=None)
    waited_s: float | None = measured(
        "s", "time in the window in which they were ready, and other work had the processor", default=None
    )
    cores: float | None = measured(
        "{core}", "processors that they can use: one each, less if a quota or the machine has less", default=None
    )
    floor_s: float | None = measured("s", "processor time of one small send on this machine's loopback", default=None)
    sources: ClassVar[tuple[Source, ...]] = ()

    @property
    def readers(self) -> float:
        """Readers of a message, on average; 0 if nothing was published."""
        return self.deliveries / self.published if self.published else 0.0

    @property
    def cost_s(self) -> float | None:
        """Processor time per delivery, with all else that they did, in seconds; None: unknown."""
        return self.cpu_s / self.deliveries if self.cpu_s is not None and self.deliveries else None

    @property
    def busy(self) -> float | None:
        """Part of the processors they can use that they did use; None: unknown."""
        return self.cpu_s / (self.cores * self.window_s) if self.cpu_s is not None and self.cores else None

    @property
    def last_reader_s(self) -> float | None:
        """Time until the last reader of one message has it, from the work alone, in seconds; None: unknown."""
        return self.readers * self.cost_s / self.cores if self.cost_s is not None and self.cores else None


def fanout_from_admin(endpoint: Endpoint, pause: Callable[[float], None] = time.sleep) -> FanOut:
    """Ask the gateway for its counters twice.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    return _watched(endpoint, pause, [])


def fanout_from_both(endpoint: Endpoint, pause: Callable[[float], None] = time.sleep) -> FanOut:
    """Ask the gateway twice, and its processes for their processor time; then measure what a send costs here.

    Raises:
        UnavailableError: Not on Linux, no such process, or the admin socket does not answer.
    """
    with process_of(endpoint, "processor time of other processes is read on Linux only") as pid:
        members = family.members(pid)
    return _watched(endpoint, pause, members)


def _watched(endpoint: Endpoint, pause: Callable[[float], None], pids: list[int]) -> FanOut:
    began, first, worked = time.monotonic(), asked(endpoint, "stats", BUSY_S), processor.work(pids)
    pause(WINDOW_S)
    window_s, last, working = time.monotonic() - began, asked(endpoint, "stats", BUSY_S), processor.work(pids)
    try:
        processes = int(last.get("workers", 1))
        found = {
            "window_s": window_s,
            "published": last["published"] - first["published"],
            "deliveries": last["deliveries"] - first["deliveries"],
            "connections": last["connections"],
            "loop_lag_s": last["loop_lag_s"],
            "processes": processes,
        }
    except (KeyError, TypeError) as error:
        raise malformed(endpoint, error) from None
    if not pids:
        return FanOut(**found)
    return FanOut(
        **found,
        cpu_s=working.ran_s - worked.ran_s,
        waited_s=working.waited_s - worked.waited_s,
        cores=_cores(pids[0], processes),
        floor_s=processor.send_floor(),
    )


def _cores(pid: int, processes: int) -> float:
    """Return the processors that so many event loops can use."""
    try:
        allowed, here = processor.quota(pid), len(os.sched_getaffinity(pid))
    except OSError:
        raise UnavailableError("unreachable", f"process {pid} has ended") from None
    most = float(min(processes, here))
    return most if allowed is None else min(most, allowed)


FanOut.sources = (
    Source(
        frozenset({"admin", "pid"}),
        "counters over the admin socket {admin}, processor time of process {pid} and its children, a send on loopback",
        fanout_from_both,
        window_s=WINDOW_S,
    ),
    Source(frozenset({"admin"}), "counters over the admin socket {admin}", fanout_from_admin, window_s=WINDOW_S),
)
