"""Whether a server would notice that a client is gone, as evidence: its settings, and what it does to who is mute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes.reached import asked, malformed


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """How a gateway asks its clients whether they are there."""

    interval_s: float = measured("s", "time between two pings to a client; 0: none are sent")
    timeout_s: float = measured("s", "time that a pinged client has to answer")
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class UnansweredPings:
    """What a server does with a client that is there and answers no ping."""

    first_ping_s: float | None = measured("s", "when its first ping arrived; None: none while watched")
    closed_after_s: float | None = measured("s", "when it ended the connection, from the first ping on; None: not")
    close_code: int | None = measured("", "its close code; 1006: no close frame; None: it did not close")
    watched_s: float = measured("s", "how long it was watched")
    sources: ClassVar[tuple[Source, ...]] = ()


def heartbeats_from_admin(endpoint: Endpoint) -> Heartbeats:
    """Ask the gateway for its heartbeat settings.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    settings = asked(endpoint, "settings")
    try:
        return Heartbeats(float(settings["heartbeat_interval_s"]), float(settings["heartbeat_timeout_s"]))
    except (TypeError, KeyError, ValueError) as error:
        raise malformed(endpoint, error) from None


def unanswered_from_url(endpoint: Endpoint) -> UnansweredPings:
    """Open a connection that says nothing, and answers no ping either.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target ws://host:port/")
    from plumbline.streaming.probes.mute import watch_mute

    return UnansweredPings(**watch_mute(endpoint))


Heartbeats.sources = (
    Source(frozenset({"admin"}), "heartbeat settings over the admin socket {admin}", heartbeats_from_admin),
)
UnansweredPings.sources = (
    Source(
        frozenset({"url"}),
        "one connection to {url} that answers no ping, watched up to {patience_s} s",
        unanswered_from_url,
        window_s=3.0,
    ),
)
