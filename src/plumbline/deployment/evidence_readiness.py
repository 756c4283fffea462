"""What a model server's health check says, beside what its model answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class Readiness:
    """Health checks and questions in turn, through the address that clients use."""

    checks: int = measured("{check}", "how often `/v2/health/ready` was asked")
    ready: int = measured("{check}", "how often it said ready")
    asked: int = measured("{question}", "questions with known answers that were asked between the checks")
    right: int = measured("{answer}", "answers that are the known ones")
    wrong: int = measured("{answer}", "answers with values everywhere, and others than the known ones")
    absent: int = measured("{answer}", "errors that say that the model is not there: 404, not found, not ready")
    broken: int = measured("{answer}", "other errors of the server (5xx)")
    refused: int = measured("{answer}", "errors that blame the question (4xx)")
    silent: int = measured("{question}", "questions with no answer: refused, reset, or too late")
    refusal: str = measured("", "the first error: status, reason, sentence", secrecy="internal", default="")
    explained: bool = measured(
        "1", "whether all wrong answers come of exchanged columns, another unit or an ignored feature", default=False
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def readiness_from_url(endpoint: Endpoint) -> Readiness:
    """Ask for readiness and for answers in turn.

    Raises:
        UnavailableError: Nobody says whether the server is ready, or the questions cannot be read.
    """
    from plumbline.deployment.probes.health import readings

    return Readiness(**readings(endpoint))


Readiness.sources = (
    Source(
        frozenset({"url", "model", "golden"}),
        "{url}: 12 questions of {golden} by POST to …/models/{model}/infer; after each second one …/v2/health/ready",
        readiness_from_url,
    ),
)
