"""Many clients that all behave in one way: what to send, and what they saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["subscribers", "churners", "slow", "publishers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Behaviour:
    """What the clients of a population do.

    Args:
        kind: `subscribers` stay and read; `churners` come and go; `slow` ones read little or nothing;
            `publishers` send.
        count: Number of connections at the same time.
        addresses: From how many loopback addresses they come: 127.0.0.1, 127.0.0.2 … in turn (Linux).
        channels: What they subscribe or publish to, in turn.
        rate_hz: Of `publishers`: messages per second each. Of `churners`: new connections per second, all together. Of
            the others: how many connect per second at first (0: all at once).
        wave_s: Of `publishers`: they send in the first half of each so many seconds only, all together (0: always).
        unanswered: Of `publishers`: so many messages of each may wait for their answer; who waits does not send
            (0: any number, also into a server that stands still).
        message_bytes: Length of a published message's data, in bytes.
        stay_s: How long a churner stays, in seconds.
        retry_s: How long after a loss or a failure a client comes again, in seconds.
        jitter: How much that pause varies: 1.0 draws it evenly from nothing to twice `retry_s`; 0: all the same.
        read_bytes_hz: Of `slow`: how many bytes a second it reads (0: none).
        timeout_s: For connect, upgrade and the answer to a subscription, in seconds.
        at: Name of a part (a `Node`) to connect to; None for where all clients connect.
    """

    kind: Kind = "subscribers"
    count: int = 50
    addresses: int = 1
    channels: tuple[str, ...] = ("lab.0",)
    rate_hz: float = 0.0
    wave_s: float = 0.0
    unanswered: int = 0
    message_bytes: int = 256
    stay_s: float = 0.5
    retry_s: float = 0.5
    jitter: float = 1.0
    read_bytes_hz: float = 0.0
    timeout_s: float = 5.0
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Population(_Behaviour):
    """A population: its name, and what its clients do.

    Args:
        name: Its name in the lab.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What a population saw in a window.

    Args:
        window_s: Length of the window, in seconds.
        connected: Connections that are open now.
        wanted: Connections that should be open.
        connects: Attempts to connect that ended in the window, failed ones included.
        failed: Those that failed.
        closed: Connections that the other side ended.
        received: Messages that arrived.
        sent: Messages that the server took.
        connect_p99_s: 99th percentile of the time an attempt took, failures included, in seconds.
        away_s: Longest time that one was without its connection within the window, in seconds; who still waits
            counts.
    """

    window_s: float = 0.0
    connected: int = 0
    wanted: int = 0
    connects: int = 0
    failed: int = 0
    closed: int = 0
    received: int = 0
    sent: int = 0
    connect_p99_s: float = 0.0
    away_s: float = 0.0
