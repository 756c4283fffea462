"""Plain WebSocket handshakes of our own, as evidence: how long TCP took, how long the answer, and what it was."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection of ours.

    Its outcome is `ok` (101), `status` (another HTTP status), `unanswered` (TCP stood, and no answer came), `broken`
    (the other side ended it, or spoke something else); without TCP: `silent` (nothing came back), `refused` (a reset),
    or `unreachable`.
    """

    outcome: str = measured("", "what came of it: ok, status, unanswered, broken, silent, refused, unreachable")
    connect_s: float = measured("s", "until TCP stood; or how long that was waited for")
    answer_s: float | None = measured("s", "then, until the answer came (TLS included), or so long it was waited for")
    resent: int | None = measured("{packet}", "packets of it that had to be sent again; None: only Linux tells")
    status: int | None = measured("", "HTTP status where it was not 101", default=None)
    retry_after: str = measured("", "Retry-After of that answer; empty: none, or nothing readable", default="")

    @property
    def reached(self) -> bool:
        """Whether TCP stood."""
        return self.outcome in ("ok", "status", "unanswered", "broken")


@dataclass(frozen=True, slots=True)
class Handshakes:
    """Connections that were opened one after the other, and closed at once."""

    attempts: tuple[Attempt, ...] = measured("", "the connections, in the order in which they were begun")
    watched_s: float = measured("s", "how long it took in all")
    sources: ClassVar[tuple[Source, ...]] = ()


def handshakes_from_url(endpoint: Endpoint) -> Handshakes:
    """Open connections one after the other, unless the kernel of this machine tells the server's accept queue.

    Raises:
        UnavailableError: No usable URL, no such host, or the process that the target names can be looked into.
    """
    from plumbline.streaming.probes.handshakes import measure

    if endpoint.pid is not None and os.access(f"/proc/{endpoint.pid}/fd", os.R_OK | os.X_OK):
        told = f"the kernel tells the accept queue of process {endpoint.pid}, so no connection is opened for it"
        raise UnavailableError("not_configured", told)
    return measure(endpoint)


Handshakes.sources = (
    Source(
        frozenset({"url"}),
        "up to 20 connections to {url}, one after the other, each closed at once (none if the pid can be read)",
        handshakes_from_url,
        window_s=3.0,
    ),
)
