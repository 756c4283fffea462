"""What a watch can see in the time given, and what it cannot, in requests and rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from plumbline.deployment.pipeline.parts import Watch
from plumbline.deployment.pipeline.watching import ERRORS_WEIGHT
from plumbline.deployment.statistics.power import POWER
from plumbline.deployment.statistics.ratio import Counts, Ratio, threshold

_Z = 0.8416
"""The normal quantile of `POWER`."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast for one stage.

    Args:
        requests: On both sides together that the stage will have seen.
        baseline: Error rate of the version that serves now.
        visible: Lowest error rate of the candidate that is seen with a probability of 80 %; None if none is.
        sentence: The same in words.
    """

    requests: int
    baseline: float
    visible: float | None
    sentence: str


def outlook(watch: Watch, seconds: float, per_s: float, baseline: float, share: float, stages: int = 1) -> Outlook:
    """Say what a stage can see.

    Args:
        watch: What is watched.
        seconds: How long the stage lasts.
        per_s: Requests per second of both sides together.
        baseline: Error rate of the baseline, between 0 and 1.
        share: Probability that a request of the two sides went to the candidate.
        stages: Number of stages.
    """
    requests = int(seconds * per_s)
    head = f"in {seconds:g} s about {requests} requests at {per_s:.3g}/s"
    if watch.errors is None:
        return Outlook(requests, baseline, None, f"{head}; errors are not watched")
    test = Ratio(watch.errors.margin)
    level = watch.alpha * ERRORS_WEIGHT / stages
    visible = visible_rate(test, baseline, requests, share, level)
    if visible is None:
        sentence = f"{head}: not even a version that always fails would be seen for sure. Watch longer, or more traffic"
        return Outlook(requests, baseline, None, sentence)
    sentence = (
        f"{head}: an error rate of {visible:.2%} or more (the baseline's is {baseline:.2%}) is seen with a probability "
        f"of {POWER:.0%}; a smaller harm may pass unseen"
    )
    return Outlook(requests, baseline, visible, sentence)


def visible_rate(test: Ratio, baseline: float, requests: int, share: float, alpha: float) -> float | None:
    """Return the lowest rate on the new side that a test sees with a probability of 80 %; None if it sees none.

    At once for any traffic, by the normal approximation of the evidence at the end; `statistics.power` simulates it.

    Args:
        test: The guard's.
        baseline: Rate of the event on the baseline, between 0 and 1.
        requests: On both sides together.
        share: Probability that a request goes to the new side.
        alpha: The guard's level.
    """
    gains = []
    for bet in test.against:
        one = Ratio(test.margin, (bet,))
        gains.append((one.log_evidence((Counts(1, 0, share),)), one.log_evidence((Counts(0, 1, share),))))
    needed = threshold(alpha) + math.log(len(gains))

    def seen(rate: float) -> bool:
        new, old = requests * share * rate, requests * (1 - share) * baseline
        return any(up * new + down * old - _Z * math.sqrt(up * up * new + down * down * old) >= needed
                   for up, down in gains)  # fmt: skip

    if not seen(1.0):
        return None
    low, high = baseline * test.margin, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high
