"""Black-box probe: what a server does with a client that is there, and answers no ping. Works against any server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.probes.idle import websocket_url
from plumbline.streaming.probes.opening import asked_for

OPEN_TIMEOUT_S = 5.0
GOODBYE_S = 1.0


def watch_mute(endpoint: Endpoint) -> dict[str, Any]:
    """Upgrade, then read and write nothing more; what the library would answer stays unsent.

    Returns:
        The fields of the evidence record `UnansweredPings`.

    Raises:
        UnavailableError: Nobody there, or no WebSocket there.
    """
    from websockets.client import ClientProtocol
    from websockets.protocol import State
    from websockets.uri import parse_uri

    url = websocket_url(endpoint.url or "")
    protocol = ClientProtocol(parse_uri(url), subprotocols=asked_for(endpoint))
    with contextlib.ExitStack() as ends:
        link = ends.enter_context(_connected(url, endpoint.ca))
        request = protocol.connect()
        if endpoint.token:
            request.headers["Authorization"] = f"Bearer {endpoint.token}"
        protocol.send_request(request)
        link.sendall(b"".join(protocol.data_to_send()))
        deadline = time.monotonic() + OPEN_TIMEOUT_S
        while protocol.state is State.CONNECTING and _take(link, protocol, deadline):
            pass
        if protocol.handshake_exc is not None or protocol.state is not State.OPEN:
            raise UnavailableError("malformed", f"{url} refused the WebSocket handshake: {protocol.handshake_exc}")
        seen = _watched(link, protocol, endpoint.patience_s)
        _leave(link, protocol)
        return seen


def _watched(link: socket.socket, protocol: Any, patience_s: float) -> dict[str, Any]:
    """Answer nothing for so long, and note the first ping and the end."""
    from websockets.frames import Frame, Opcode

    began, pinged = time.monotonic(), None
    while _take(link, protocol, began + patience_s):
        pings = [one for one in protocol.events_received() if isinstance(one, Frame) and one.opcode is Opcode.PING]
        if pings and pinged is None:
            pinged = time.monotonic()
        if protocol.close_rcvd is not None:
            break
    ended = time.monotonic()
    closed = protocol.close_rcvd is not None or protocol.eof_sent or ended < began + patience_s
    return {
        "first_ping_s": round(pinged - began, 3) if pinged is not None else None,
        "closed_after_s": round(ended - (pinged if pinged is not None else began), 3) if closed else None,
        "close_code": (protocol.close_rcvd.code if protocol.close_rcvd else 1006) if closed else None,
        "watched_s": round(ended - began, 3),
    }


def _leave(link: socket.socket, protocol: Any) -> None:
    """Say good-bye after all: who goes without a word is counted as lost, and lost ones of one age are a pattern."""
    from websockets.protocol import State

    if protocol.state is not State.OPEN:
        return
    protocol.send_close(1000)
    with contextlib.suppress(OSError):
        link.settimeout(GOODBYE_S)
        link.sendall(b"".join(protocol.data_to_send()))
    deadline = time.monotonic() + GOODBYE_S
    while _take(link, protocol, deadline):  # what is unread at the end would reset the connection
        pass


def _take(link: socket.socket, protocol: Any, deadline: float) -> bool:
    """Take what comes before the deadline; False at the deadline and at the end of the stream."""
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        return False
    link.settimeout(left_s)
    try:
        data = link.recv(65536)
    except TimeoutError:
        return False
    except OSError:  # reset
        data = b""
    if data:
        protocol.receive_data(data)
    else:
        protocol.receive_eof()
    return bool(data)


def _connected(url: str, authority: str | None) -> socket.socket:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    try:
        plain = socket.create_connection((host, parts.port or (443 if secure else 80)), OPEN_TIMEOUT_S)
        if not secure:
            return plain
        return ssl.create_default_context(cafile=authority).wrap_socket(plain, server_hostname=host)
    except TimeoutError:
        raise UnavailableError("timeout", f"{url} did not connect within {OPEN_TIMEOUT_S:g} s") from None
    except OSError as error:
        raise UnavailableError("unreachable", f"nothing answers at {url} ({error})") from None
