"""How long a model's answers take after its server, or one of its processes, has begun."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """One question alone, then four at a time at a steady pace, each on a connection of its own.

    From each time is taken how late the asking program was itself meanwhile: without a free processor all is late.
    """

    answered: int = measured("{answer}", "later questions that were answered")
    failed: int = measured("{question}", "questions that were not")
    first_s: float | None = measured("s", "time of the very first answer; None: there was none")
    median_s: float = measured("s", "median time of all later answers")
    slowest_s: tuple[float, ...] = measured("s", "the ten slowest answers after the first, the slowest first")
    born: int | None = measured(
        "{process}", "processes of the server that began while it was asked; None: its pid is not known"
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def times_from_url(endpoint: Endpoint) -> AnswerTimes:
    """Ask 49 questions in two and a half seconds.

    Raises:
        UnavailableError: Nothing is answered, or the questions cannot be read.
    """
    from plumbline.deployment.probes.pacing import watch

    seen = watch(endpoint)
    slowest = tuple(sorted(seen.times_s, reverse=True)[:10])
    return AnswerTimes(
        len(seen.times_s), seen.failed, seen.first_s, statistics.median(seen.times_s), slowest, seen.born
    )


AnswerTimes.sources = (
    Source(
        frozenset({"url", "model", "golden", "pid"}),
        "49 questions of {golden} to {url}, 20 a second, and the births of processes under {pid} meanwhile",
        times_from_url,
        window_s=2.5,
    ),
    Source(
        frozenset({"url", "model", "golden"}),
        "49 questions of {golden} to {url}, 20 a second",
        times_from_url,
        window_s=2.5,
    ),
)
