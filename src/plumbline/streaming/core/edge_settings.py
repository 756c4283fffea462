"""The settings of the gateway's edge: TLS, who may come in how fast, and how clients are let go."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.streaming.core.safety_settings import SafetySettings
from plumbline.streaming.core.setting_kinds import setting


@dataclass(frozen=True, slots=True)
class EdgeSettings(SafetySettings):
    """TLS, admission, server-sent events, drain.

    Raises:
        SettingError: A value has the wrong type or is out of range.
    """

    tls_cert: str = setting(
        "",
        "",
        None,
        None,
        "PEM file with the certificate and its chain; with `tls_key`, clients speak TLS 1.2 or newer (`wss`, `https`). "
        "ECDSA P-256 is recommended: it signs some 25 times as fast as RSA. Whether there is TLS is fixed at the "
        "start; the files are read again at SIGHUP, or when either setting is set, and nobody is dropped.",
    )
    tls_key: str = setting("", "", None, None, "PEM file with the certificate's private key, without a password.")
    max_arrivals: int = setting(
        16384,
        "{connection}",
        1,
        1_000_000,
        "Accepted sockets that wait for their turn, first come, first served; `handshake_timeout_s` begins with it. "
        "With so many, no more are accepted: they wait in the kernel's queue. Each is a file descriptor.",
    )
    max_handshakes: int = setting(
        16384,
        "{connection}",
        1,
        1_000_000,
        "Sockets that had their turn, and whose TLS handshake or request is not complete. One more, and the oldest of "
        "them is dropped. It must hold all clients: after a cut they all connect before the first of them asks.",
    )
    max_handshakes_per_address: int = setting(
        0,
        "{connection}",
        1,
        1_000_000,
        "The same of one client address; here the new one is dropped. Behind a proxy all clients share its address.",
        off=True,
    )
    max_connections_per_address: int = setting(
        0,
        "{connection}",
        1,
        1_000_000,
        "Connections of one client address; one more is answered 503 with `Retry-After`.",
        off=True,
    )
    accept_rate: float = setting(
        0.0,
        "{connection}/s",
        0.1,
        1_000_000,
        "New clients let in each second; others are answered 503 with a `Retry-After` that spreads them over the time "
        "their number needs at this rate. (With TLS they are answered before the handshake, by closing.)",
        off=True,
    )
    accept_burst: int = setting(
        1000, "{connection}", 1, 1_000_000, "New clients let in at once after a rest, before `accept_rate` holds."
    )
    sse_retry_s: float = setting(
        2.0,
        "s",
        0.1,
        3600,
        "Time that an `EventSource` waits before it connects again (`retry:`); each gets a value between half and one "
        "and a half of it, so that they do not come all at once.",
    )
    drain_s: float = setting(
        10.0,
        "s",
        0.05,
        86400,
        "Time over which clients are let go at SIGTERM or `plumb gateway drain`. `terminationGracePeriodSeconds` and "
        "`TimeoutStopSec` must be longer.",
        off=True,
    )
    drain_grace_s: float = setting(
        0.0,
        "s",
        0.05,
        3600,
        "Time between the answer 503 of `/readyz` and the first client that is let go; new clients are still let in, "
        "for load balancers that learn late.",
        off=True,
    )
    max_connection_age_s: float = setting(
        0.0,
        "s",
        0.1,
        31_536_000,
        "Age at which a connection is told to come back and closed with 4011, so that deployments look like every "
        "other day and clients spread over new workers.",
        off=True,
    )
    connection_age_jitter: float = setting(
        0.2,
        "1",
        0,
        0.9,
        "Part of `max_connection_age_s` by which each connection's age is shorter, at random, at most.",
    )
    canary_timeout_s: float = setting(
        2.0,
        "s",
        0.05,
        60,
        "Time within which the message that the gateway sends itself for `/readyz` must come back through the broker; "
        "later it answers 503.",
    )
