"""What can go wrong when a probe opens a WebSocket, as sentences."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from plumbline.evidence import Endpoint, UnavailableError

OPEN_TIMEOUT_S = 5.0


def asked_for(endpoint: Endpoint) -> list[Any] | None:
    """Return the subprotocols that the target's clients ask for; None: none."""
    return [endpoint.subprotocol] if endpoint.subprotocol else None


def options(url: str, endpoint: Endpoint) -> dict[str, Any]:
    """Return what every probe opens a connection with: token, authority, subprotocol; no pings, no compression."""
    own = endpoint.ca is not None and url.startswith("wss:")
    return ({"ssl": ssl.create_default_context(cafile=endpoint.ca)} if own else {}) | {
        "additional_headers": {"Authorization": f"Bearer {endpoint.token}"} if endpoint.token else None,
        "subprotocols": asked_for(endpoint),
        "open_timeout": OPEN_TIMEOUT_S,
        "ping_interval": None,
        "compression": None,
        "proxy": None,
    }


@contextmanager
def told(url: str) -> Iterator[None]:
    """Turn what the library raises while it opens a connection into sentences.

    Raises:
        UnavailableError: Nobody there, or no WebSocket there.
    """
    from websockets.exceptions import InvalidHandshake, InvalidURI

    try:
        yield
    except TimeoutError:
        raise UnavailableError("timeout", f"{url} did not complete a handshake within {OPEN_TIMEOUT_S:g} s") from None
    except InvalidURI as error:
        raise UnavailableError("not_configured", f"'{url}' is no usable WebSocket URL ({error})") from None
    except InvalidHandshake as error:
        raise UnavailableError("malformed", f"{url} refused the WebSocket handshake: {error}") from None
    except (OSError, EOFError) as error:
        raise UnavailableError("unreachable", f"nothing answers at {url} ({error})") from None
