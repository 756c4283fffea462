"""What TLS handshakes cost a server, as evidence: seen from outside, and counted by the server itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes.reached import asked, malformed

WINDOW_S = 1.0
_PREFIX = "plumbline_gateway_"


@dataclass(frozen=True, slots=True)
class TlsHandshakes:
    """Handshakes of our own with a server."""

    key_type: str = measured("", "kind of the certificate's key: RSA, ECDSA, Ed25519")
    key_bits: int = measured("bit", "its size")
    version: str = measured("", "protocol version, as TLSv1.3")
    connect_s: float = measured("s", "the TCP handshake, fastest of 3")
    full_s: float = measured("s", "a full TLS handshake, fastest of 3")
    resumed_s: float | None = measured("s", "one that resumed a session, fastest of 3; None: none was resumed")
    reference_s: float = measured("s", "one ECDSA P-256 signature on the machine that asks")
    expires_in_s: float = measured("s", "how long the certificate is valid still; negative: it has expired")
    refused_because: str = measured("", "why a client that checks the certificate refuses it; empty: it does not")
    sources: ClassVar[tuple[Source, ...]] = ()

    @property
    def cost(self) -> float:
        """What the server's signature costs, in ECDSA signatures of this machine: round trips are taken out."""
        rest_s = 2 * self.connect_s if self.resumed_s is None else self.resumed_s
        return max(0.0, self.full_s - rest_s) / self.reference_s


@dataclass(frozen=True, slots=True)
class TlsLoad:
    """Handshakes that a server made while it was watched."""

    full: int = measured("{handshake}", "full handshakes in the window")
    resumed: int = measured("{handshake}", "handshakes that resumed a session")
    failed: int = measured("{handshake}", "handshakes that failed")
    busy_ratio: float = measured("1", "time of the event loop spent in handshakes, per time; of all workers together")
    window_s: float = measured("s", "how long it was watched")
    sources: ClassVar[tuple[Source, ...]] = ()


def handshakes_from_url(endpoint: Endpoint) -> TlsHandshakes:
    """Shake hands with the server and look at its certificate.

    Raises:
        UnavailableError: It speaks no TLS, or does not answer.
    """
    from plumbline.streaming.probes.tlsprobe import measured_handshakes

    return TlsHandshakes(**measured_handshakes(endpoint))


def load_from_admin(endpoint: Endpoint) -> TlsLoad:
    """Look twice at the gateway's counters.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    try:
        return watched(lambda: _counted(asked(endpoint, "stats")))
    except (KeyError, TypeError) as error:
        raise malformed(endpoint, error) from None


def load_from_metrics(endpoint: Endpoint) -> TlsLoad:
    """Look twice at a Plumbline gateway's metrics.

    Raises:
        UnavailableError: There are none, or none of TLS.
    """
    from plumbline.streaming.probes.exposition import page

    def look() -> tuple[float, float, float, float]:
        found = [one for one in page(endpoint) if one.name.startswith(f"{_PREFIX}tls_")]
        if not found:
            raise UnavailableError("malformed", f"the metrics of {endpoint.metrics} have no {_PREFIX}tls_ counters")

        def total(name: str, **labels: str) -> float:
            wanted = f"{_PREFIX}{name}"
            rows = [one for one in found if one.name == wanted and labels.items() <= one.labels.items()]
            return sum(one.value for one in rows)

        done = "tls_handshakes_total"
        failed, busy = total("tls_handshake_failures_total"), total("tls_handshake_busy_seconds_total")
        return total(done, kind="full"), total(done, kind="resumed"), failed, busy

    return watched(look)


def watched(
    look: Callable[[], tuple[float, float, float, float]],
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> TlsLoad:
    """Return the difference of two looks.

    Args:
        look: Gives full, resumed and failed handshakes, and seconds spent in them.
        pause: Waits so many seconds.
        clock: Returns seconds.
    """
    began, before = clock(), look()
    pause(WINDOW_S)
    after = look()
    window_s = max(clock() - began, 1e-3)
    full, resumed, failed, busy_s = (max(0.0, now - then) for now, then in zip(after, before, strict=True))
    return TlsLoad(round(full), round(resumed), round(failed), round(busy_s / window_s, 4), round(window_s, 3))


def _counted(stats: Mapping[str, Any]) -> tuple[float, float, float, float]:
    done = stats["tls_handshakes"]
    return done.get("full", 0), done.get("resumed", 0), sum(stats["tls_failures"].values()), stats["tls_busy_s"]


TlsHandshakes.sources = (
    Source(frozenset({"url"}), "some seven TLS handshakes with {url}, and its certificate", handshakes_from_url),
)
TlsLoad.sources = (
    Source(frozenset({"admin"}), "counters of TLS over the admin socket {admin}, twice", load_from_admin, WINDOW_S),
    Source(frozenset({"metrics"}), "counters of TLS at {metrics}, twice", load_from_metrics, WINDOW_S),
)
