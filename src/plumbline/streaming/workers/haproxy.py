"""A HAProxy configuration for gateways behind it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.streaming.core.address import Address

BACKEND = "gateways"


@dataclass(frozen=True, slots=True)
class Front:
    """What stands in front.

    Args:
        bind: Where clients connect.
        stats_socket: Path of the runtime API.
        heartbeat_s: The gateways' `heartbeat_interval_s`; a time-out that is shorter cuts quiet clients.
        heartbeat_timeout_s: Their `heartbeat_timeout_s`.
        max_connections: Clients at one time; each takes two descriptors.

    Raises:
        ValueError: A time or a number is not positive.
    """

    bind: Address
    stats_socket: str
    heartbeat_s: float = 25.0
    heartbeat_timeout_s: float = 10.0
    max_connections: int = 9000

    def __post_init__(self) -> None:
        if self.heartbeat_s <= 0 or self.heartbeat_timeout_s <= 0:
            raise ValueError("without a heartbeat HAProxy cuts every quiet client; give its interval and time-out in s")

    @property
    def idle_s(self) -> int:
        """How long a connection may be quiet: the gateway notices a dead client long before HAProxy does."""
        return math.ceil(2 * self.heartbeat_s + self.heartbeat_timeout_s)


def config(front: Front, backends: Sequence[Address]) -> str:
    """Return the configuration's text.

    Raises:
        ValueError: There is no backend, or one twice.
    """
    if not backends or len(set(backends)) != len(backends):
        raise ValueError("each gateway must be named, and once")
    servers = "\n".join(f"    server g{number} {address}" for number, address in enumerate(backends, 1))
    return f"""\
# HAProxy in front of Plumbline gateways. Check it with: haproxy -c -f FILE
global
    maxconn {front.max_connections}
    stats socket {front.stats_socket} mode 600 level admin

defaults
    mode http
    timeout connect 3s
    timeout http-request 5s
    # Longer than the gateways' heartbeat every {front.heartbeat_s:g} s, so that no quiet client is cut.
    timeout client {front.idle_s}s
    timeout server {front.idle_s}s
    timeout tunnel {front.idle_s}s
    retries 3
    option redispatch
    option forwardfor

frontend clients
    bind {front.bind}
    default_backend {BACKEND}

backend {BACKEND}
    # Connections live long: the number that is open says where there is room, a turn or a hash does not.
    balance leastconn
    # /readyz delivers a canary; a gateway that drains answers 503 and gets no new clients, but keeps those it has.
    option httpchk GET /readyz
    http-check expect status 200
    default-server check inter 1s fastinter 200ms fall 2 rise 1 maxconn {front.max_connections}
{servers}
"""
