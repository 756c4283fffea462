"""Where a gateway's cluster is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from plumbline.streaming.cluster.streams import ALONE, Limits


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Where the cluster is, and how much it keeps.

    Args:
        servers: Addresses of NATS servers, `nats://host:port`.
        credentials: File with a user's JWT and key; None: without.
        region: This gateway's region: the JetStream domain of the servers; `main` in a cluster that has only one.
        peers: The other regions.
        limits: What the stream keeps if it is this gateway that makes it.
    """

    servers: tuple[str, ...]
    credentials: Path | None = None
    region: str = ALONE
    peers: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
