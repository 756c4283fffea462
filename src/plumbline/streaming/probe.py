"""Black-box probe: what happens to a WebSocket connection that says nothing. Works against any server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from plumbline.evidence import Endpoint, UnavailableError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

OPEN_TIMEOUT_S = 5.0
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
    """Open one connection, send nothing, answer pings as every client does, and note what the other side does.

    Returns:
        `first_ping_s`, `closed_after_s`, `close_code` (None where it did not happen; 1006: cut without a close frame)
        and `watched_s`.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target ws://host:port/")
    link, pings = _connect(websocket_url(endpoint.url), endpoint.token)
    began = time.monotonic()
    closed_after_s = _closed_within(link, endpoint.patience_s)
    watched_s = time.monotonic() - began
    code = None
    if closed_after_s is not None:
        code = link.close_code if link.close_code is not None else 1006
    link.close()
    return {
        "first_ping_s": round(max(0.0, pings[0] - began), 3) if pings else None,
        "closed_after_s": closed_after_s,
        "close_code": code,
        "watched_s": round(watched_s, 3),
    }


def _closed_within(link: ClientConnection, patience_s: float) -> float | None:
    """Return when the other side ended the connection, in seconds, or None if it lives. Data is read and ignored."""
    from websockets.exceptions import ConnectionClosed

    began = time.monotonic()
    while (left := began + patience_s - time.monotonic()) > 0:
        try:
            link.recv(timeout=left, decode=False)
        except TimeoutError:
            return None
        except ConnectionClosed:
            return round(time.monotonic() - began, 3)
    return None


def _connect(url: str, token: str | None) -> tuple[ClientConnection, list[float]]:
    from websockets.exceptions import InvalidHandshake, InvalidURI
    from websockets.frames import Frame, Opcode
    from websockets.sync import client

    pings: list[float] = []

    class Watched(client.ClientConnection):
        """Notes when a ping arrives; the library has answered it by then."""

        def process_event(self, event: Any) -> None:
            if isinstance(event, Frame) and event.opcode is Opcode.PING:
                pings.append(time.monotonic())
            super().process_event(event)

    try:
        link = client.connect(
            url,
            create_connection=Watched,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=None,
            close_timeout=1,
            compression=None,
            proxy=None,
        )
    except TimeoutError:
        raise UnavailableError("timeout", f"{url} did not complete a handshake within {OPEN_TIMEOUT_S:g} s") from None
    except InvalidURI as error:
        raise UnavailableError("not_configured", f"'{url}' is no usable WebSocket URL ({error})") from None
    except InvalidHandshake as error:
        raise UnavailableError("malformed", f"{url} refused the WebSocket handshake: {error}") from None
    except (OSError, EOFError) as error:
        raise UnavailableError("unreachable", f"nothing answers at {url} ({error})") from None
    return link, pings
