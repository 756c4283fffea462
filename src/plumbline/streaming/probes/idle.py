"""Black-box probe: what happens to a WebSocket connection that says nothing. Works against any server."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.probes.opening import options, told

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

STAGGER_S = 0.7  # the second connection comes this much later
LOOK_S = 0.02
WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def websocket_url(url: str) -> str:
    """Return the URL with a WebSocket scheme.

    Raises:
        UnavailableError: It is no WebSocket or HTTP URL.
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in WEBSOCKET_SCHEMES:
        raise UnavailableError("not_configured", f"'{url}' is no WebSocket URL; it must begin with ws:// or wss://")
    return f"{WEBSOCKET_SCHEMES[scheme]}://{rest}"


def watch_quiet(endpoint: Endpoint) -> dict[str, Any]:
    """Open a connection, send nothing, answer pings as every client does, and note what the other side does.

    A second connection follows a little later: a time-out cuts both at one age, a server that dies cuts both at one
    moment. The watch ends with the first ping, or when both have ended, or with `endpoint.patience_s`.

    Returns:
        `first_ping_s`, `closed_after_s`, `close_code` (None where it did not happen; 1006: cut without a close frame),
        `second_closed_after_s` (since the second was opened) and `watched_s`.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target ws://host:port/")
    url = websocket_url(endpoint.url)
    quiet = [Quiet(url, endpoint)]
    try:
        while not quiet[0].pings and quiet[0].age_s < endpoint.patience_s and not _all_ended(quiet):
            if len(quiet) == 1 and quiet[0].age_s >= STAGGER_S:
                with contextlib.suppress(UnavailableError):  # the first was let in, so this is no more than bad luck
                    quiet.append(Quiet(url, endpoint))
            for one in quiet:
                one.look()
    finally:
        watched_s = quiet[0].age_s
        for one in quiet:
            one.ends.close()
    first, second = quiet[0], quiet[1] if len(quiet) > 1 else None
    return {
        "first_ping_s": round(max(0.0, first.pings[0] - first.began), 3) if first.pings else None,
        "closed_after_s": first.closed_after_s,
        "close_code": first.code,
        "second_closed_after_s": second.closed_after_s if second else None,
        "watched_s": round(watched_s, 3),
    }


class Quiet:
    """One connection that says nothing."""

    def __init__(self, url: str, endpoint: Endpoint) -> None:
        self.ends = contextlib.ExitStack()
        self.link, self.pings = _connect(url, endpoint, self.ends)
        self.began = time.monotonic()
        self.closed_after_s: float | None = None
        self.code: int | None = None

    @property
    def age_s(self) -> float:
        """Time since it was opened, in seconds."""
        return time.monotonic() - self.began

    def look(self) -> None:
        """Take what has arrived (data is ignored), and note an end."""
        from websockets.exceptions import ConnectionClosed

        if self.closed_after_s is not None:
            time.sleep(LOOK_S)
            return
        try:
            self.link.recv(timeout=LOOK_S, decode=False)
        except TimeoutError:
            return
        except ConnectionClosed:
            self.closed_after_s = round(self.age_s, 3)
            self.code = self.link.close_code if self.link.close_code is not None else 1006


def _all_ended(quiet: list[Quiet]) -> bool:
    """Return whether nothing is left to see; one that ended before the second was due has shown all it can."""
    return all(one.closed_after_s is not None for one in quiet)


def _connect(url: str, endpoint: Endpoint, ends: contextlib.ExitStack) -> tuple[ClientConnection, list[float]]:
    from websockets.frames import Frame, Opcode
    from websockets.sync import client

    pings: list[float] = []

    class Watched(client.ClientConnection):
        """Notes when a ping arrives; the library has answered it by then."""

        def process_event(self, event: Any) -> None:
            if isinstance(event, Frame) and event.opcode is Opcode.PING:
                pings.append(time.monotonic())
            super().process_event(event)

    with told(url):
        opening = client.connect(url, create_connection=Watched, close_timeout=1, **options(url, endpoint))
        link = ends.enter_context(opening)
    return link, pings
