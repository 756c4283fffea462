"""What a model server answers to questions whose right answers are known, and what explains the wrong ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, measured


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of one model, by any server of the Open Inference Protocol.

    An explanation stands for all questions without missing values: changed in that way, each was answered rightly.
    """

    asked: int = measured("{question}", "questions that were asked, 24 at most")
    right: int = measured("{answer}", "answers that are the known ones, within 0.001")
    wrong: int = measured("{answer}", "answers with values everywhere, and others than the known ones")
    not_finite: int = measured("{answer}", "answers with NaN, an infinity or null in an output")
    refused: int = measured("{answer}", "questions that were answered with an error")
    refusal: str = measured("", "the first error: status, reason, sentence", secrecy="internal", default="")
    gaps: int = measured("{question}", "questions that send a missing value on purpose", default=0)
    gaps_wrong: int = measured("{answer}", "wrong answers to these", default=0)
    gaps_not_finite: int = measured("{answer}", "answers to these that are not finite", default=0)
    by_place: int = measured(
        "{question}", "questions answered otherwise once their inputs, with names, came in another order", default=0
    )
    unnamed_taken: bool = measured("1", "whether columns without names are taken", default=False)
    exchanged: tuple[str, ...] = measured(
        "", "features whose values must be sent under each other's names", secrecy="internal", default=()
    )
    unit_of: str = measured("", "feature that must be sent in another unit", secrecy="internal", default="")
    unit: str = measured("", "what its values must go through: `times 100`", default="")
    ignored: tuple[str, ...] = measured(
        "", "features whose value changes no answer, if answers are wrong", secrecy="internal", default=()
    )
    complete: bool = measured("1", "whether all explanations were tried within the time", default=True)
    sources: ClassVar[tuple[Source, ...]] = ()


def answers_from_url(endpoint: Endpoint) -> Answers:
    """Ask the golden questions; where answers are wrong, look for what explains them.

    Raises:
        UnavailableError: Nobody answers, or the questions cannot be read.
    """
    from plumbline.deployment.probes.judging import answers

    return Answers(**answers(endpoint))


Answers.sources = (
    Source(
        frozenset({"url", "model", "golden"}),
        "{model} at {url}: the questions of {golden} (24 at most) by POST to …/infer, as they are and with their "
        "inputs in another order; if answers are wrong, up to some hundred variants, for 12 s at most",
        answers_from_url,
    ),
)
