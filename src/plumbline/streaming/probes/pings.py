"""Black-box probe: do several connections wait for their pongs at the same moment? For any WebSocket server."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.probes.idle import websocket_url
from plumbline.streaming.probes.opening import options, told

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

CONNECTIONS = 3
PERIOD_S = 0.05
SHORTEST_S, LONGEST_S = 1.0, 30.0
LATE_S = 0.1  # a pong that takes less is no stall
Span = tuple[float, float]


class Pinged:
    """One connection that is pinged steadily; whatever else arrives on it is thrown away.

    Args:
        url: The server.
        endpoint: Token and authority.
        ends: Closes it.
    """

    def __init__(self, url: str, endpoint: Endpoint, ends: contextlib.ExitStack) -> None:
        self.sent: dict[bytes, float] = {}
        self.waits: list[Span] = []
        self._count = 0
        self.link = _opened(url, endpoint, self._pong, ends)

    def ping(self) -> None:
        """Send one ping."""
        from websockets.exceptions import ConnectionClosed

        self._count += 1
        data = self._count.to_bytes(4, "big")
        self.sent[data] = time.monotonic()
        with contextlib.suppress(ConnectionClosed):
            self.link.ping(data)

    def _pong(self, data: bytes) -> None:
        now = time.monotonic()
        for earlier in [one for one in self.sent if one <= data]:  # a pong answers what came before it, too
            self.waits.append((self.sent.pop(earlier), now))

    def spans(self, now: float) -> list[Span]:
        """Return from when to when each ping waited; those without an answer wait still."""
        return [*self.waits, *((moment, now) for moment in list(self.sent.values()))]


def measure(endpoint: Endpoint) -> dict[str, Any]:
    """Ping on three connections for half of `patience_s`, between 1 s and 30 s.

    Returns:
        `connections`, `pings`, `median_s`, `worst_s`, `stall_s` (longest time in which all waited at once),
        `own_delay_s` (how late this program was itself) and `watched_s`.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target ws://host:port/")
    url = websocket_url(endpoint.url)
    own_delay_s = 0.0
    with contextlib.ExitStack() as ends:
        with ThreadPoolExecutor(CONNECTIONS) as pool:  # a server that stalls makes each wait
            links = list(pool.map(lambda _: Pinged(url, endpoint, ends), range(CONNECTIONS)))
        began = time.monotonic()
        until = began + window_s(endpoint)
        while time.monotonic() < until:
            for link in links:
                link.ping()
            due = time.monotonic() + PERIOD_S
            time.sleep(PERIOD_S)
            own_delay_s = max(own_delay_s, time.monotonic() - due)
        time.sleep(PERIOD_S)  # the last ones are answered
        now = time.monotonic()
        spans = [link.spans(now) for link in links]
    times = sorted(end - start for each in spans for start, end in each)
    return {
        "connections": len(links),
        "pings": len(times),
        "median_s": round(statistics.median(times), 4),
        "worst_s": round(times[-1], 4),
        "stall_s": round(together(spans), 4),
        "own_delay_s": round(own_delay_s, 4),
        "watched_s": round(now - began, 3),
    }


def window_s(endpoint: Endpoint) -> float:
    """Return how long to look at this target, in seconds."""
    return min(max(endpoint.patience_s / 2, SHORTEST_S), LONGEST_S)


def together(spans: Iterable[Iterable[Span]]) -> float:
    """Return the longest time in which every connection had a ping that waited, and none got a pong, in seconds.

    Pongs that come, but late, are a long way or a slow server, not one that stands still; so the way there and back
    (the fastest wait) is taken off where the waiting begins.
    """
    spans = [list(each) for each in spans]
    pongs = sorted(end for each in spans for _, end in each)
    fastest = min((end - start for each in spans for start, end in each), default=0.0)
    common: list[Span] | None = None
    for each in spans:
        late = _merged(span for span in each if span[1] - span[0] >= LATE_S)
        common = late if common is None else _both(common, late)
    still = (_stillness(start, end, pongs, fastest) for start, end in common or ())
    return max((seconds for found in still for seconds in found), default=0.0)


def _stillness(start: float, end: float, pongs: list[float], fastest: float) -> list[float]:
    """Return the lengths of the pieces into which pongs cut a time of waiting, the first without the way."""
    start = min(start + fastest, end)
    cuts = [start, *(one for one in pongs if start < one < end), end]
    return [after - before for before, after in pairwise(cuts)]


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _both(first: list[Span], second: list[Span]) -> list[Span]:
    found = [(max(a[0], b[0]), min(a[1], b[1])) for a in first for b in second]
    return [(start, end) for start, end in found if end > start]


def _opened(url: str, endpoint: Endpoint, pong: Any, ends: contextlib.ExitStack) -> ClientConnection:
    from websockets.frames import Frame, Opcode
    from websockets.sync import client

    class Listening(client.ClientConnection):
        """Hears pongs, answers pings, and lets go of all else: nothing piles up."""

        def process_event(self, event: Any) -> None:
            if isinstance(event, Frame) and event.opcode is Opcode.PONG:
                pong(bytes(event.data))
            elif not isinstance(event, Frame) or event.opcode in (Opcode.PING, Opcode.CLOSE):
                super().process_event(event)

    with told(url):
        link: ClientConnection = ends.enter_context(
            client.connect(url, create_connection=Listening, close_timeout=0.1, **options(url, endpoint))
        )
    return link
