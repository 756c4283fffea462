"""Memory that grows, and what grows with it, as evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes.reached import asked, process_of

SHORTEST_S, LONGEST_S = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """A server's private memory over a window, and what it held at its beginning and its end."""

    window_s: float = measured("s", "how long it was watched: the target's patience_s, 2 s to 60 s")
    private_bytes: int = measured("By", "private pages of the process at the end, swapped ones too")
    growth_bytes: int = measured("By", "how much that grew")
    slope_bytes_s: float = measured("By/s", "slope of a straight line through ten samples a second")
    error_bytes_s: float = measured("By/s", "two standard errors of the slope")
    steady: bool = measured("1", "both halves of the window grew: no single step")
    connections: int | None = measured("{connection}", "connections at the end; None: unknown", default=None)
    connections_growth: int | None = measured("{connection}", "how many more than at the beginning", default=None)
    queued_growth_bytes: int | None = measured("By", "growth of all outbound queues; None: unknown", default=None)
    history_bytes: int | None = measured(
        "By", "memory of kept messages of all channels, with the objects that hold them", default=None
    )
    history_growth_bytes: int | None = measured("By", "growth of that", default=None)
    history_limit_bytes: int | None = measured("By", "what all channels may keep together", default=None)
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class Compression:
    """Whether a server agrees to compress each connection, which costs it memory for each."""

    agreed: bool = measured("1", "it answered an offer of permessage-deflate with yes")
    keeps_context: bool = measured("1", "it keeps its compressor between messages (no server_no_context_takeover)")
    sources: ClassVar[tuple[Source, ...]] = ()


def growth_from_pid(endpoint: Endpoint) -> MemoryGrowth:
    """Watch a process's private memory for `patience_s`, and count before and after what might explain it.

    Raises:
        UnavailableError: Not on Linux, no such process, or it ended meanwhile, or its admin socket does not answer.
    """
    from plumbline.streaming.probes import memory

    window_s = min(max(endpoint.patience_s, SHORTEST_S), LONGEST_S)
    with process_of(endpoint, "another process's private memory can be read on Linux only", "run as that user") as pid:
        before = _held(endpoint, pid)
        samples = memory.sample(pid, window_s)
        after = _held(endpoint, pid)
    seen = memory.line(samples)

    def grown(key: str) -> int | None:
        return after[key] - before[key] if key in before and key in after else None

    return MemoryGrowth(
        window_s=window_s,
        private_bytes=samples[-1][1],
        growth_bytes=seen.growth,
        slope_bytes_s=round(seen.slope, 1),
        error_bytes_s=round(seen.error, 1),
        steady=seen.steady,
        connections=after.get("connections"),
        connections_growth=grown("connections"),
        queued_growth_bytes=grown("queued_bytes"),
        history_bytes=after.get("history_bytes"),
        history_growth_bytes=grown("history_bytes"),
        history_limit_bytes=after.get("history_total_bytes"),
    )


def _held(endpoint: Endpoint, pid: int) -> dict[str, Any]:
    """Return what the server says it holds; from a pid alone its connections and what waits in their send queues."""
    from plumbline.streaming.probes import sockets

    if endpoint.admin:  # a gateway that does not answer is starting, and grows for that reason
        told = asked(endpoint, "settings") | asked(endpoint, "stats")  # `history_bytes` is a name of both
        return {key: value for key, value in told.items() if value is not None}
    found = sockets.connections(pid)
    return {"connections": len(found)}


def compression_from_url(endpoint: Endpoint) -> Compression:
    """Offer permessage-deflate in one handshake.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    from websockets.extensions.permessage_deflate import PerMessageDeflate
    from websockets.sync.client import connect

    from plumbline.streaming.probes.idle import websocket_url
    from plumbline.streaming.probes.opening import options, told

    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target ws://host:port/")
    url = websocket_url(endpoint.url)
    how = options(url, endpoint) | {"close_timeout": 0.5, "compression": "deflate"}
    with told(url), connect(url, **how) as link:
        agreed = [one for one in link.protocol.extensions if isinstance(one, PerMessageDeflate)]
    return Compression(bool(agreed), any(not one.remote_no_context_takeover for one in agreed))


MemoryGrowth.sources = (
    Source(
        frozenset({"pid"}),
        "private memory in /proc/{pid}/status, ten times a second for {patience_s} s (at least 2 s); what it holds",
        growth_from_pid,
        window_s=SHORTEST_S,
    ),
)
Compression.sources = (
    Source(frozenset({"url"}), "one handshake with {url} that offers permessage-deflate", compression_from_url),
)
