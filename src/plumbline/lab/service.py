"""The service level that an independent client measured: what the workload got, whatever the server says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request with a JSON body, and the answer that is right: what those who made the data know, not the server.

    Args:
        path: Where it is sent, by POST.
        body: What is sent, as JSON.
        expect: The right values by the name of an output (`outputs` of the Open Inference Protocol, version 2); empty:
            any answer will do.
        tolerance: Largest absolute difference at which a number is still right.
    """

    path: str
    body: Any
    expect: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    tolerance: float = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Clients that use the platform as its users do: they publish at a steady rate, subscribe, and connect afresh.

    The load is open-loop: a message is due at its time whether or not the server took the one before, so a
    server that stalls its publishers loses messages here instead of slowing the clock.

    Args:
        subscribers: Long-lived connections, spread evenly over the channels.
        channels: Channels, named `lab.0`, `lab.1` …; each has one publisher.
        rate_hz: Messages per second and publisher.
        message_bytes: Length of a message's data, in bytes.
        connects_hz: How often fresh connections are tried, per second (0: never).
        connects_at_once: How many fresh connections one try opens at the same moment.
        connect_timeout_s: A fresh connection that takes longer has failed, in seconds.
        quiet: Further connections that subscribe to a silent channel: only heartbeats keep them open.
        subscribe_at: Names of `Node` parts over which the subscribers are spread, after the main gateway, in turn.
        also: Further channels that each subscriber reads on the same connection; nothing is measured there.
        failover: A subscriber that cannot connect tries the next of these places.
        requests_hz: Plain HTTP requests per second to the main server (0: none), each on a connection of its own.
        request_path: What they ask for.
        asks: Requests with bodies, whose answers are judged; they are sent in turn, instead of `request_path`.
        request_timeout_s: A request that takes longer has failed, in seconds.
    """

    subscribers: int = 4
    channels: int = 1
    rate_hz: float = 20.0
    message_bytes: int = 256
    connects_hz: float = 2.0
    connects_at_once: int = 1
    connect_timeout_s: float = 2.0
    quiet: int = 0
    subscribe_at: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    failover: bool = False
    requests_hz: float = 0.0
    request_path: str = "/"
    asks: tuple[Asked, ...] = ()
    request_timeout_s: float = 2.0

    @property
    def clients(self) -> int:
        """Number of long-lived connections: subscribers, quiet ones and publishers."""
        return self.subscribers + self.quiet + self.channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the workload measured in a window. Ratios are 1.0 when nothing was expected.

    Args:
        window_s: Length of the window, in seconds.
        clients: Long-lived connections that are open now.
        clients_wanted: Long-lived connections that should be open.
        due: Messages that should have been delivered: messages due to be published, times subscribers.
        delivered: Those of `due` that arrived.
        published: Messages that the server took from the publishers.
        published_due: Messages that the publishers were due to publish.
        p50_s: Median time from when a message was due to its arrival, in seconds; one still missing counts its age.
        p99_s: 99th percentile of the same, in seconds.
        connects_ok: Fresh connections that were opened, upgraded and answered.
        connects_failed: Fresh connections that were refused, reset, or timed out.
        connect_p99_s: 99th percentile of the time a fresh connection took, failures included, in seconds.
        requests_ok: HTTP requests that were answered with a status below 400.
        requests_failed: HTTP requests that were not.
        answers_wrong: Those of `requests_ok` whose answer was not the right one.
        request_p99_s: 99th percentile of the time a request took, failures included, in seconds.
        away_s: Longest time that a long-lived client was without its connection within the window, in seconds.
        staleness_s: Age of what the worst-off subscriber has: now minus when its newest message was due, in seconds.
        unexpected_closes: Long-lived connections that were closed by the other side.
        close_codes: Their WebSocket close codes, as (code, how often); 1006 stands for "without a close frame".
        errors: The last distinct error texts of clients, newest last, at most 5.
    """

    window_s: float = 0.0
    clients: int = 0
    clients_wanted: int = 0
    due: int = 0
    delivered: int = 0
    published: int = 0
    published_due: int = 0
    p50_s: float = 0.0
    p99_s: float = 0.0
    connects_ok: int = 0
    connects_failed: int = 0
    connect_p99_s: float = 0.0
    requests_ok: int = 0
    requests_failed: int = 0
    answers_wrong: int = 0
    request_p99_s: float = 0.0
    away_s: float = 0.0
    staleness_s: float = 0.0
    unexpected_closes: int = 0
    close_codes: tuple[tuple[int, int], ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def delivery_ratio(self) -> float:
        """Delivered over due, 0 to 1."""
        return self.delivered / self.due if self.due else 1.0

    @property
    def connect_ratio(self) -> float:
        """Fresh connections that worked over those tried, 0 to 1."""
        tried = self.connects_ok + self.connects_failed
        return self.connects_ok / tried if tried else 1.0

    @property
    def publish_ratio(self) -> float:
        """Published over due to be published, 0 to 1."""
        return self.published / self.published_due if self.published_due else 1.0

    @property
    def request_ratio(self) -> float:
        """HTTP requests that worked over all, 0 to 1."""
        tried = self.requests_ok + self.requests_failed
        return self.requests_ok / tried if tried else 1.0

    @property
    def right_ratio(self) -> float:
        """Right answers over all answers, 0 to 1."""
        return 1 - self.answers_wrong / self.requests_ok if self.requests_ok else 1.0

    @property
    def clients_ratio(self) -> float:
        """Clients that are connected over those wanted, 0 to 1."""
        return self.clients / self.clients_wanted if self.clients_wanted else 1.0

    def __str__(self) -> str:
        requests = self.requests_ok + self.requests_failed
        if not self.clients_wanted:
            wrong = f", {self.answers_wrong} answers were wrong" if self.answers_wrong else ""
            return f"{self.requests_ok} of {requests} requests worked, p99 {self.request_p99_s * 1000:.0f} ms{wrong}"
        return (
            f"{self.delivery_ratio * 100:.0f} % delivered, p99 {self.p99_s * 1000:.0f} ms, "
            f"{self.connects_ok} of {self.connects_ok + self.connects_failed} fresh connections worked, "
            f"{self.clients} of {self.clients_wanted} clients connected, {self.unexpected_closes} closed unexpectedly"
        )
