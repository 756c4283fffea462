"""How long messages of our own take to the readers of a channel made for it, seen from outside of any server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Probe messages, from sending to receipt at each of several connections.

    A reader counts from its first message on: what was sent before its subscription stood is nobody's loss.
    """

    readers: int = measured("{connection}", "connections of our own that read; one more publishes")
    published: int = measured("{message}", "probe messages that were sent, without those that only opened the way")
    arrived: int = measured("{message}", "arrivals of them, at all readers together")
    lost: int = measured("{message}", "missing at a reader that got a later one, while another reader had it")
    nowhere: int = measured("{message}", "messages that no reader got, though a later one came")
    outstanding: int = measured("{message}", "not there in the end at a reader that got no later one: late, or lost")
    silent: int = measured("{connection}", "readers that got nothing at all, and were not ended")
    ended: int = measured("{connection}", "connections of our own that the other side ended meanwhile")
    p50_s: float | None = measured("s", "median time from sending to receipt; None: nothing came")
    p99_s: float | None = measured("s", "99 % came within it; one that is outstanding counts its age")
    last_reader_s: float | None = measured("s", "time until a message's last reader had it: median of the messages")
    round_trip_s: float = measured("s", "the TCP handshake, fastest of 3: what the way there and back takes by itself")
    own_delay_s: float = measured("s", "how late the measuring program was itself, at worst")
    waited_s: float = measured("s", "how long the last message was given")
    sources: ClassVar[tuple[Source, ...]] = ()


def trip_from_url(endpoint: Endpoint) -> RoundTrip:
    """Send messages to the channel that the target names for probes, and read them on several connections.

    Raises:
        UnavailableError: No URL, no channel, nobody there, or no WebSocket there.
    """
    from plumbline.streaming.probes.roundtrip import measure

    return RoundTrip(**measure(endpoint))


RoundTrip.sources = (
    Source(
        frozenset({"url", "fanout"}),
        "21 connections to {url}, which read what it SENDS: up to 25 short messages, 10 a second at most, "
        "to the channel that the target names for probes (fanout)",
        trip_from_url,
        window_s=3.0,
    ),
)
