"""The version that a rollback would bring back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class WayBack:
    """What a registry has of the version that served before, beside what callers send today."""

    current: str = measured("", "version that `production` points at; empty: nothing")
    target: str = measured("", "version that served before it, by the alias' history; empty: none did")
    files: int = measured("{file}", "files that the target is made of", default=0)
    missing: int = measured("{file}", "those that are not there", default=0)
    damaged: int = measured("{file}", "those that are not what they were", default=0)
    first_bad: str = measured("", "the first such file", secrecy="internal", default="")
    collected: bool = measured("1", "whether the registry's own retention took them", default=False)
    breaks: int = measured(
        "{change}", "differences of the target's contract that break who keeps to the current one", default=0
    )
    broken: str = measured("", "the first such difference", secrecy="internal", default="")
    asked: int | None = measured(
        "{question}", "known questions held against the target; None: there are none", default=None
    )
    refused: int = measured("{question}", "those that it would not answer", default=0)
    refusal: str = measured("", "why it would not answer the first", secrecy="internal", default="")
    sources: ClassVar[tuple[Source, ...]] = ()


def wayback_from_registry(endpoint: Endpoint) -> WayBack:
    """Read the registry's tables, the files of the version that served before, and the known questions if there are.

    Raises:
        UnavailableError: The registry cannot be read, or has no such model.
    """
    from plumbline.deployment.probes.wayback import wayback

    return WayBack(**wayback(endpoint))


WayBack.sources = (
    Source(
        frozenset({"registry", "model", "golden"}),
        "tables of the registry {registry}, every file of the version of {model} that was in production before; the "
        "questions of {golden} (24 at most) are held against its contract, and nobody is asked",
        wayback_from_registry,
    ),
    Source(
        frozenset({"registry", "model"}),
        "tables of the registry {registry}, and every file of the version of {model} that was in production before",
        wayback_from_registry,
    ),
)
