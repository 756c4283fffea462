"""What a model server says that it takes, what callers send, and what the registry has written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class Contract:
    """The questions of callers, held against the inputs that the server and the registry declare."""

    asked: int = measured("{question}", "questions of callers that were asked, 24 at most")
    answered: int = measured("{answer}", "of these, answered")
    mismatched: int = measured("{answer}", "of these, refused for names, shapes or types of their inputs")
    refusal: str = measured("", "the first such refusal: status, reason, sentence", secrecy="internal", default="")
    other_refusal: str = measured("", "the first refusal for another reason", secrecy="internal", default="")
    declared: int | None = measured(
        "{feature}", "inputs that the server declares; None: it declares none", default=None
    )
    unknown: tuple[str, ...] = measured(
        "", "features that callers send and the server does not declare", secrecy="internal", default=()
    )
    lacking: tuple[str, ...] = measured(
        "", "features that the server requires and callers do not send", secrecy="internal", default=()
    )
    retyped: tuple[str, ...] = measured(
        "", "features that callers send as text and the server takes as numbers, or the other way round",
        secrecy="internal", default=(),
    )  # fmt: skip
    sources: ClassVar[tuple[Source, ...]] = ()


def contract_from_url(endpoint: Endpoint) -> Contract:
    """Ask for the metadata, then ask as callers do.

    Raises:
        UnavailableError: Nobody answers, or the questions cannot be read.
    """
    from plumbline.deployment.probes.contract import contract

    return Contract(**contract(endpoint))


Contract.sources = (
    Source(
        frozenset({"url", "model", "golden"}),
        "{model} at {url}: its metadata, and the questions of {golden} (24 at most) by POST to …/infer",
        contract_from_url,
    ),
)
