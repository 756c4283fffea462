"""What becomes of requests in flight while processes of a model server end and others begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class Leaving:
    """Six callers whose questions have a connection of their own each and are sent once: nothing is tried again."""

    asked: int = measured("{question}", "questions that were sent")
    cut: int = measured("{question}", "those whose connection ended before the whole answer was there")
    turned_away: int = measured("{question}", "those that found nobody: refused, or 502, 503, 504 from a proxy")
    longest_s: float = measured("s", "longest time from sending to a whole answer")
    ended: int | None = measured(
        "{process}", "processes of the server that ended meanwhile; None: its pid is not known"
    )
    deaf: int = measured("{process}", "those of them that neither caught SIGTERM nor waited for it", default=0)
    granted_s: float | None = measured(
        "s", "time that its command line grants a process to end; None: it does not say", default=None
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def leaving_from_url(endpoint: Endpoint) -> Leaving:
    """Ask for three seconds, and watch the processes.

    Raises:
        UnavailableError: Nothing is answered, the address is not `http://`, or the questions cannot be read.
    """
    from plumbline.deployment.probes.leaving import watch

    tally, family = watch(endpoint)
    failures = tally.failures
    return Leaving(
        asked=tally.requests,
        cut=failures["closed"],
        turned_away=failures["connect"] + sum(failures[f"status {one}"] for one in (502, 503, 504)),
        longest_s=tally.latency_s(100),
        ended=len(family.ended) if family else None,
        deaf=sum(not taking for taking in family.ended.values()) if family else 0,
        granted_s=family.granted_s if family else None,
    )


_ASKED = "{url}: a question of {golden} by POST to …/models/{model}/infer, by six callers, 3 s at most"
Leaving.sources = (
    Source(
        frozenset({"url", "model", "golden", "pid"}),
        f"{_ASKED}; meanwhile the processes under {{pid}}, whether they take SIGTERM, and the grace given there",
        leaving_from_url,
        window_s=3.0,
    ),
    Source(frozenset({"url", "model", "golden"}), _ASKED, leaving_from_url, window_s=3.0),
)
