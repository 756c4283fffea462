"""What a limit is: what its rules are given, what they answer, and which processes came nearest. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plumbline.streaming.load.sampling import ProcessSample, Sample

FULL = 0.95
"""Share of a limit from which it counts as reached: of file descriptors, TCP memory, one core."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the generator met, besides the samples.

    Args:
        failures: Failed attempts to connect, by word (`ports`, `descriptors`, `refused`, …).
        generator_lag_s: How late the generator's own loop was, worst of each second.
        unsent: Messages that were due and never went out.
        queue_limit_bytes: The gateway's `queue_max_bytes`; 0 if unknown.
        slow_closes: Connections that the server closed for reading too slowly.
        connected: Somebody was connected, at some time.
        urls: Of the servers.
    """

    failures: dict[str, int]
    generator_lag_s: Sequence[float] = ()
    unsent: int = 0
    queue_limit_bytes: int = 0
    slow_closes: int = 0
    connected: bool = True
    urls: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The verdict.

    Args:
        limit: `ports`, `descriptors`, `accept-queue`, `kernel-memory`, `nobody`, `generator`, `server-cpu`, `loop-lag`,
            `queues`, `machine-cpu`, or `none`.
        where: `generator`, `server`, `kernel`, `machine` or empty.
        sentence: For people.
        evidence: Figures behind it, one phrase each.
    """

    limit: str
    where: str
    sentence: str
    evidence: tuple[str, ...] = ()


Rule = Callable[[Sequence[Sample], Load], Bottleneck | None]


def processes(samples: Sequence[Sample], where: str) -> list[ProcessSample]:
    """Return all samples of the `server`'s or the `generator`'s processes."""
    return [one for sample in samples for one in (sample.servers if where == "server" else sample.generators)]
