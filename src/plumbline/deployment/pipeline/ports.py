"""What the controller needs of others: a registry, a pipeline's work, counts of what was served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from plumbline.deployment.core.verdicts import Verdict


class Lease(Protocol):
    """The right to deploy a model, for a while; its epoch is higher than that of any lease before."""

    @property
    def epoch(self) -> int:
        """Fencing epoch: what carries an older one is refused everywhere."""
        ...


class Stored(Protocol):
    """A registered version."""

    @property
    def version(self) -> str:
        """Its semantic version."""
        ...

    @property
    def digest(self) -> str:
        """Digest of its manifest."""
        ...


class Registry(Protocol):
    """The part of the registry that a deployment uses."""

    def get(self, model: str, ref: str, /) -> Stored:
        """Return a version by number, alias or digest."""
        ...

    def aliases(self, model: str, /) -> Mapping[str, str]:
        """Return the version that each alias of a model points at, by alias."""
        ...

    def move(
        self,
        model: str,
        alias: str,
        /,
        *,
        to: str | None,
        expect: str | None,
        by: str,
        why: str,
        epoch: int | None = None,
    ) -> Any:
        """Let an alias point at a version if it points at `expect` now; `ConflictError` else."""
        ...

    def lease(self, model: str, holder: str, ttl_s: float) -> Lease:
        """Give the right to deploy, at once to a holder that has it; `ConflictError` if another one has."""
        ...

    def renew(self, lease: Any, ttl_s: float, /) -> Any:
        """Keep it for another while; `FencedError` if another has taken it."""
        ...

    def release(self, lease: Any, /) -> Any:
        """Give it back."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """A candidate as the registry holds it.

    Args:
        version: Its semantic version.
        digest: Digest of its manifest.
    """

    version: str
    digest: str


class Work(Protocol):
    """A pipeline's own work. All of it may be asked again after a crash and answers the same."""

    def build(self) -> Built:
        """Train or take the candidate and register it (the same files twice are one version)."""
        ...

    def test(self, candidate: Built) -> Iterable[Verdict]:
        """Run the pipeline's tests on the candidate."""
        ...

    def gates(self, candidate: Built, production: Built | None) -> Iterable[Verdict]:
        """Ask the gates; the rehearsal of a rollback is one of them."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What one loaded version has counted since it was loaded.

    Args:
        requests: Answered, in any way.
        errors: Of these, with an error that is not the caller's.
        missing: Of these, without an answer in an output: NaN, infinite or empty.
        latency: Requests by upper bound in seconds, cumulated from the lowest bound; the last bound is infinity.
        scores: Scores by upper bound, cumulated likewise.
        business: Business events by name: how many, and of how many chances.
    """

    requests: int = 0
    errors: int = 0
    missing: int = 0
    latency: tuple[tuple[float, int], ...] = ()
    scores: tuple[tuple[float, int], ...] = ()
    business: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Source(Protocol):
    """Counts by loaded version, from whoever counts: the servers' metrics, or a shop's own."""

    def read(self, names: Sequence[str]) -> dict[str, Reading]:
        """Return the counts of versions, by digest (or name of a copy); what was not counted yet is left out.

        Raises:
            UnavailableError: They cannot be read now.
        """
        ...
