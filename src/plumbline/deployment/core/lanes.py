"""The interface of lanes: how a version comes to serve. The controller above knows nothing of processes or proxies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

COPY = "#baseline"
"""Ends the name of a second, freshly loaded copy of a version: `sha256:…#baseline`. A watch compares a candidate with
such a copy, for a process that has served for weeks differs from a fresh one by more than its model. Servers that hold
copies take the name wherever a digest is taken, and write it behind the version in their metrics; others refuse it as
invalid, and the watch compares with the version that serves."""


def copy_of(digest: str) -> str:
    """Return the name of a freshly loaded copy of a version."""
    return digest + COPY


def version_of(name: str) -> str:
    """Return the digest of the version that a name means, be it a copy or not."""
    return name.removesuffix(COPY)


@dataclass(frozen=True, slots=True)
class Serving:
    """What a lane serves at a moment, as the servers themselves answer, not as somebody remembers.

    Args:
        shares: Fraction of requests by manifest digest; they add up to 1, or nothing serves.
        epoch: Highest fencing epoch that the servers have seen.
        ready: Digests that are loaded and answered their golden rows.
    """

    shares: dict[str, float]
    epoch: int
    ready: frozenset[str]


class Lane(Protocol):
    """Every command carries the deployer's epoch; servers refuse an older one (`FencedError`). All are idempotent."""

    def serving(self) -> Serving:
        """Ask the servers what they serve.

        Raises:
            UnavailableError: None answers.
        """
        ...

    def prepare(self, digest: str, *, epoch: int) -> None:
        """Load, warm and check a version; no request reaches it yet. The old one keeps serving whatever happens.

        Raises:
            DeploymentError: It does not become ready.
        """
        ...

    def share(self, shares: dict[str, float], *, epoch: int) -> None:
        """Set who gets which fraction of the requests. Returns when no request goes elsewhere any more.

        Raises:
            InvalidError: A digest that is not ready, or fractions that do not add up to 1.
            FencedError: A newer deployer has been here.
        """
        ...

    def retire(self, digest: str, *, epoch: int) -> None:
        """Let go of a version that has no share, after its last request was answered."""
        ...
