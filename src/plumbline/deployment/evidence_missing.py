"""What a model server makes of a missing value: an error that names it, a prediction, or NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class MissingValues:
    """One golden question, asked again with each feature missing in turn."""

    tried: int = measured("{feature}", "features that were left empty in turn, 50 at most")
    refused: int = measured("{feature}", "of these, refused with an error")
    predicted: int = measured("{feature}", "of these, answered with values everywhere")
    not_finite: tuple[str, ...] = measured(
        "", "of these, answered with NaN, an infinity or null", secrecy="internal", default=()
    )
    broken: tuple[str, ...] = measured(
        "", "of these, answered with a server error (500 to 599)", secrecy="internal", default=()
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def missing_from_url(endpoint: Endpoint) -> MissingValues:
    """Ask with gaps.

    Raises:
        UnavailableError: Nobody answers, or the questions cannot be read.
    """
    from plumbline.deployment.probes.gaps import gaps

    return MissingValues(**gaps(endpoint))


MissingValues.sources = (
    Source(
        frozenset({"url", "model", "golden"}),
        "{model} at {url}: a question of {golden} by POST to …/infer, with each feature null in turn (50 at most)",
        missing_from_url,
    ),
)
