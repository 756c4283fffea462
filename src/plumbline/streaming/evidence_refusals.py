"""Messages that were too large for somebody, as evidence; `plumbline.streaming.evidence` offers it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes.reached import asked, malformed

TOO_BIG = 1009  # RFC 6455, 7.4.1
WATCH_S = 2.0
LABELS = frozenset({"1009", "message-too-big", "message_too_big", "message-too-large", "message_too_large"})


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """One connection that a message ended because it was too large."""

    by: str = measured("", "who refused it: server (a client sent it) or peer (the server sent it)")
    ago_s: float = measured("s", "how long ago")
    age_s: float = measured("s", "age of the connection then; young ones are of a client that comes back")
    size_bytes: int | None = measured("By", "size of the message; None: unknown", default=None)
    peer: str = measured("", "the client's IP address; empty: unknown", secrecy="internal", default="")


@dataclass(frozen=True, slots=True)
class RefusedMessages:
    """Messages that were refused because of their size, and the limit."""

    limit_bytes: int | None = measured("By", "largest message that the server takes; None: unknown", default=None)
    refused: tuple[RefusedMessage, ...] = measured("", "among the last 200 closes, newest first", default=())
    counted: int | None = measured(
        "{message}", "messages refused while the metrics were watched; None: they were not", default=None
    )
    window_s: float = measured("s", "how long the metrics were watched", default=0.0)
    taken_bytes: int | None = measured(
        "By", "largest power of two that a frame could announce without being refused; None: unknown", default=None
    )
    too_large_bytes: int | None = measured("By", "smallest power of two that was refused; None: unknown", default=None)
    sources: ClassVar[tuple[Source, ...]] = ()


def refused_from_admin(endpoint: Endpoint) -> RefusedMessages:
    """Ask the gateway for its limit, and for the closes with code 1009.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    limit, recent = asked(endpoint, "settings").get("max_message_bytes"), asked(endpoint, "closes")
    try:
        rows = [row for row in recent["recent"] if row["code"] == TOO_BIG]
        known = ("by", "ago_s", "age_s", "size_bytes", "peer")
        return RefusedMessages(limit, tuple(RefusedMessage(**{key: row[key] for key in known}) for row in rows))
    except (TypeError, KeyError) as error:
        raise malformed(endpoint, error) from None


def refused_from_metrics(endpoint: Endpoint) -> RefusedMessages:
    """Count twice what any counter says under a label of this close code: `reason="message-too-big"`, `code="1009"`.

    Raises:
        UnavailableError: There are no metrics, or none with such a label.
    """
    from plumbline.streaming.probes.exposition import Sample, page

    def total(found: list[Sample]) -> float | None:
        values = [one.value for one in found if LABELS & set(one.labels.values())]
        return sum(values) if values else None

    before = total(page(endpoint))
    time.sleep(WATCH_S)
    after = total(page(endpoint))
    if after is None:
        words = 'no counter with a label like reason="message-too-big" or code="1009"'
        raise UnavailableError("malformed", f"the metrics of {endpoint.metrics} have {words}")
    return RefusedMessages(counted=max(0, round(after - (before or 0.0))), window_s=WATCH_S)


def limit_from_url(endpoint: Endpoint) -> RefusedMessages:
    """Find out by frame headers how large a message may be; no message is sent.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    from plumbline.streaming.probes.sizes import limit_of

    found = limit_of(endpoint)
    return RefusedMessages(taken_bytes=found.taken, too_large_bytes=found.refused)


RefusedMessages.sources = (
    Source(frozenset({"admin"}), "the limit and the last 200 closes over the admin socket {admin}", refused_from_admin),
    Source(frozenset({"metrics"}), "closes by reason at {metrics}, twice", refused_from_metrics, window_s=WATCH_S),
    Source(
        frozenset({"url"}),
        "headers of frames of 1 KiB to 64 MiB to {url}, on at most five connections that are then dropped; no payload",
        limit_from_url,
        window_s=2.0,
    ),
)
