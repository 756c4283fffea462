"""What a candidate has been asked since it got a share, and how soon that would be enough to judge it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured

WINDOW_S = 8.0


@dataclass(frozen=True, slots=True)
class CanaryTraffic:
    """Requests of the version with the least share, and of the server."""

    versions: int = measured("{version}", "versions with a share of the requests")
    candidate: str = measured("", "the one with the least; empty: one version has all", secrecy="internal", default="")
    share: float = measured("1", "its share", default=1.0)
    requests: int = measured("{request}", "requests that it answered since it was loaded", default=0)
    arrived: int = measured("{request}", "requests that it answered in the window", default=0)
    came: int = measured("{request}", "requests that all versions answered in the window", default=0)
    per_s: float = measured("{request}/s", "the same per second", default=0.0)
    window_s: float = measured("s", "how long it was watched: 1 s, and up to 8 s where little comes", default=0.0)
    changed: bool = measured("1", "whether the shares changed in the window", default=False)
    sources: ClassVar[tuple[Source, ...]] = ()


def canary_from_metrics(endpoint: Endpoint, pause: Callable[[float], None] = time.sleep) -> CanaryTraffic:
    """Read the server's metrics twice.

    Raises:
        UnavailableError: They cannot be read, or are not a Plumbline model server's.
    """
    from plumbline.deployment.probes import canary

    return CanaryTraffic(**canary.traffic(endpoint.metrics or "", pause))


def canary_from_admin(endpoint: Endpoint, pause: Callable[[float], None] = time.sleep) -> CanaryTraffic:
    """Ask the admin socket where the metrics are, and read them twice.

    Raises:
        UnavailableError: The socket does not answer, or the metrics cannot be read.
    """
    from plumbline.deployment.probes import canary

    return CanaryTraffic(**canary.traffic(canary.address(endpoint.admin or ""), pause))


CanaryTraffic.sources = (
    Source(
        frozenset({"metrics"}), "shares and requests by version from {metrics}, twice", canary_from_metrics, WINDOW_S
    ),
    Source(
        frozenset({"admin"}),
        "the address of the metrics over the admin socket {admin}; shares and requests by version from there, twice",
        canary_from_admin,
        WINDOW_S,
    ),
)
