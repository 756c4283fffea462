"""What can be chosen for a client, in one place, with units and bounds."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from plumbline.streaming.client.backoff import BackoffPolicy

_ABOVE_ZERO = ("idle_s", "request_timeout_s", "open_timeout_s", "ping_interval_s", "ping_timeout_s", "fail_back_s")


@dataclass(frozen=True, slots=True)
class Options:
    """How a client works; every value has a default that suits a gateway with its own defaults.

    Args:
        headers: More headers of the handshake.
        tls: Context for `wss://` addresses, for example `ssl.create_default_context(cafile="ca.pem")`; None trusts the
            system's certificate authorities.
        proxy: Address of a proxy; None for none.
        backoff: Delays between attempts to connect.
        max_sockets: Sockets that the client may open.
        subscriptions_per_socket: Channels on one socket. The gateway's `max_subscriptions` (128) is its bound; if the
            gateway takes fewer, the client learns that from its greeting.
        idle_s: Seconds after which a socket without channels and requests is closed.
        request_timeout_s: Seconds for an answer, in all, also across connections.
        open_timeout_s: Seconds for connecting and the handshake.
        ping_interval_s: Seconds without a word from the gateway, before it is pinged.
        ping_timeout_s: Seconds for a sign of life after that, before the connection is given up.
        fail_back_s: Seconds for which an address that failed is avoided; then the preferred one is tried again.

    Raises:
        ValueError: A value is out of range.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    proxy: str | None = None
    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)
    max_sockets: int = 20
    subscriptions_per_socket: int = 100
    idle_s: float = 30.0
    request_timeout_s: float = 10.0
    open_timeout_s: float = 10.0
    ping_interval_s: float = 20.0
    ping_timeout_s: float = 10.0
    fail_back_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_sockets", "subscriptions_per_socket"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in _ABOVE_ZERO:
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be above 0 seconds, not {getattr(self, name)}")
