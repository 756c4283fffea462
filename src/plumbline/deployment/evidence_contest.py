"""Who holds the right to change what a model's registry says, and who changes it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class Contest:
    """The lease of a model, and moves of its aliases that somebody else undid within ten minutes."""

    holder: str = measured("", "who holds the lease; empty: nobody", secrecy="internal", default="")
    left_s: float = measured("s", "how long it runs if nobody renews it", default=0.0)
    term_s: float = measured("s", "for how long it was taken, or last renewed", default=0.0)
    silent_s: float = measured("s", "since it was taken, or last renewed", default=0.0)
    lives: bool | None = measured(
        "1", "whether the holder's process lives; None: it is on another machine, or unknown", default=None
    )
    alias: str = measured("", "the alias that was moved back most often", secrecy="internal", default="")
    undone: int = measured("{move}", "its moves of the last hour that another person undid in 10 minutes", default=0)
    by_hand: int = measured("{move}", "its moves of the last hour outside of any deployment", default=0)
    movers: tuple[str, ...] = measured("", "who undid, and was undone", secrecy="internal", default=())
    watched_s: float | None = measured(
        "s", "registries without a history: how long the aliases were watched instead", default=None
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def contest_from_registry(endpoint: Endpoint) -> Contest:
    """Read lease, history and journal; of an MLflow server watch the aliases.

    Raises:
        UnavailableError: The registry cannot be read, or has no such model.
    """
    from plumbline.deployment.probes.contest import contest

    return Contest(**contest(endpoint))


Contest.sources = (
    Source(
        frozenset({"registry", "model"}),
        "lease and moves of {model} in the registry {registry}, and the deployment of its holder; of an MLflow server "
        "the aliases, which are read ten times within 3 s",
        contest_from_registry,
    ),
)
