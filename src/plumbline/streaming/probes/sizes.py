"""Black-box probe: how large a message does this WebSocket server let in? It never sends one.

A frame's header announces its length (RFC 6455, 5.2). Servers with a limit refuse it by the header; one that lets it in
waits for a payload that does not come, and the connection is dropped. So nothing reaches the application, and
a probe costs a few bytes however large the size that it asks about.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.probes.opening import asked_for

SMALLEST, LARGEST = 10, 26  # exponents of two: 1 KiB to 64 MiB
REFUSED_WITHIN_S = 0.4
SLOWER = 5  # times as long as the handshake took: what a busy server is given to refuse
OPEN_S = 5.0
TOO_BIG = 1009


class Bounds(NamedTuple):
    """Where the limit lies, in bytes.

    Args:
        taken: Largest size asked about that was let in; None: not even 1 KiB.
        refused: Smallest that was refused; None: not even 64 MiB.
    """

    taken: int | None
    refused: int | None


def limit_of(endpoint: Endpoint) -> Bounds:
    """Find the power of two below and above the limit, with at most five connections.

    Raises:
        UnavailableError: No URL, nobody there, or no WebSocket there.
    """
    from plumbline.streaming.probes.idle import websocket_url

    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target ws://host:port/")
    url = websocket_url(endpoint.url)
    low, high = SMALLEST - 1, LARGEST + 1  # taken up to 2**low, refused from 2**high on
    while high - low > 1:
        middle = (low + high) // 2
        if refuses(url, 1 << middle, endpoint):
            high = middle
        else:
            low = middle
    return Bounds(1 << low if low >= SMALLEST else None, 1 << high if high <= LARGEST else None)


def refuses(url: str, size: int, endpoint: Endpoint) -> bool:
    """Announce a message of `size` bytes; True if the server closes with 1009, or drops the connection, at once.

    Raises:
        UnavailableError: Nobody there, or no WebSocket there.
    """
    from websockets.client import ClientProtocol
    from websockets.protocol import State
    from websockets.uri import parse_uri

    protocol = ClientProtocol(parse_uri(url), subprotocols=asked_for(endpoint))
    opening = protocol.connect()
    if endpoint.token:
        opening.headers["Authorization"] = f"Bearer {endpoint.token}"
    try:
        with _opened(url, endpoint.ca) as sock:
            protocol.send_request(opening)
            sock.sendall(b"".join(protocol.data_to_send()))
            asked_at = time.monotonic()
            while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
                _feed(protocol, sock.recv(4096))
            if protocol.handshake_exc is not None:  # else it is open, or was and is closed in the same breath
                raise UnavailableError("malformed", f"{url} refused the WebSocket handshake: {protocol.handshake_exc}")
            with contextlib.suppress(ConnectionError):  # it went before it was asked; what it said can still be read
                sock.sendall(_header(size))
            ended = _ended(protocol, sock, max(REFUSED_WITHIN_S, SLOWER * (time.monotonic() - asked_at)))
    except TimeoutError:
        raise UnavailableError("timeout", f"{url} did not complete a handshake within {OPEN_S:g} s") from None
    except OSError as error:
        raise UnavailableError("unreachable", f"nothing answers at {url} ({error})") from None
    if ended and protocol.close_rcvd is not None and protocol.close_rcvd.code != TOO_BIG:
        code = protocol.close_rcvd.code
        raise UnavailableError("malformed", f"{url} ended the connection with code {code}, which says nothing of sizes")
    return ended


def _header(size: int) -> bytes:
    """Return the header of a client's text frame: the length in its shortest form, and a mask."""
    length = b"\xfe" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xff" + size.to_bytes(8, "big")
    return b"\x81" + length + os.urandom(4)


def _opened(url: str, ca: str | None) -> socket.socket:
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    plain = socket.create_connection((parts.hostname or "", parts.port or (443 if secure else 80)), timeout=OPEN_S)
    return ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname=parts.hostname) if secure else plain


def _ended(protocol: object, sock: socket.socket, patience_s: float) -> bool:
    """Read on until the connection ends, or it is plain that the server waits for the payload."""
    until = time.monotonic() + patience_s
    if getattr(protocol, "close_rcvd", None) is not None:
        return True
    while (left := until - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data = sock.recv(65536)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        _feed(protocol, data)
        if getattr(protocol, "close_rcvd", None) is not None or not data:
            return True
    return False


def _feed(protocol: object, data: bytes) -> None:
    if data:
        protocol.receive_data(data)  # type: ignore[attr-defined]  # a ClientProtocol; its import is dear
    else:
        protocol.receive_eof()  # type: ignore[attr-defined]  # the same
