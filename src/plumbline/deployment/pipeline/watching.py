"""Is the candidate worse than a baseline that serves the same traffic at the same time? Pure: counts in, words out.

Each guard is a sequential test that may be looked at as often as one likes: if the candidate is not worse than the
guard tolerates, it ever raises an alarm with a probability of at most its level. Levels of all guards and stages add
up to the watch's, so that one number bounds how often a harmless candidate is rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.parts import Watch
from plumbline.deployment.pipeline.ports import Reading
from plumbline.deployment.statistics import drift
from plumbline.deployment.statistics.ratio import Counts, Ratio, threshold
from plumbline.deployment.statistics.srm import balance

ERRORS_WEIGHT = 0.8
"""Part of the level that the guard on errors has: it is the one that must be quick. The others share the rest."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the watch knows at a moment.

    Args:
        outcome: FAIL: harm is shown. PASS: no harm shown, and enough seen to have shown it. INCONCLUSIVE: too little.
        sentence: Why.
        requests: Of the candidate and of the baseline.
        guards: Each guard's two counts, its evidence, and the evidence that decides; natural logarithms.
    """

    outcome: Outcome
    sentence: str
    requests: tuple[int, int]
    guards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Guard:
    name: str
    what: str
    new: int
    baseline: int
    evidence: float


def since(now: Reading, then: Reading) -> Reading:
    """Return what was counted between two readings; a server that was started anew counts from 0."""
    if now.requests < then.requests:
        return now
    business = {name: (n - then.business.get(name, (0, 0))[0], of - then.business.get(name, (0, 0))[1])
                for name, (n, of) in now.business.items()}  # fmt: skip
    return Reading(
        now.requests - then.requests,
        max(now.errors - then.errors, 0),
        max(now.missing - then.missing, 0),
        _less(now.latency, then.latency),
        _less(now.scores, then.scores),
        business,
    )


def look(watch: Watch, candidate: Reading, baseline: Reading, share: float, stages: int = 1) -> Look:
    """Judge what both sides counted since a stage began.

    Args:
        watch: What is watched.
        candidate: Its counts in this stage.
        baseline: The baseline's.
        share: Probability that a request of the two sides together went to the candidate, between 0 and 1.
        stages: Number of stages of the deployment: each has its part of the level.
    """
    guards = list(_guards(watch, candidate, baseline, share))
    limits = {one.name: threshold(level / stages) for one, level in zip(guards, _levels(watch, guards), strict=True)}
    told = {
        one.name: {"new": one.new, "baseline": one.baseline, "evidence": round(one.evidence, 3),
                   "decides_at": round(limits[one.name], 3)}
        for one in guards
    }  # fmt: skip
    requests = (candidate.requests, baseline.requests)
    if sum(requests) and balance(requests, (share, 1 - share)).broken:
        sentence = (
            f"{requests[0]} requests of the new version beside {requests[1]} of the baseline, where {share:.0%} of "
            "them were to be the new one's: they do not meet the same traffic, so nothing can be concluded"
        )
        return Look(Outcome.INCONCLUSIVE, sentence, requests, told)
    harm = [one for one in guards if one.evidence >= limits[one.name]]
    if harm:
        said = "; ".join(_said(one, requests) for one in harm)
        return Look(Outcome.FAIL, said, requests, told)
    if min(requests) < watch.least:
        few = "no traffic is not health" if max(requests) == 0 else "too few to tell"
        sentence = (
            f"{requests[0]} requests of the new version, {requests[1]} of the baseline: {few}, {watch.least} needed"
        )
        return Look(Outcome.INCONCLUSIVE, sentence, requests, told)
    if not guards:
        return Look(Outcome.INCONCLUSIVE, "no guard is declared: nothing was looked at", requests, told)
    names = ", ".join(one.name for one in guards)
    sentence = f"no harm in {requests[0]} requests beside {requests[1]} of the baseline ({names})"
    return Look(Outcome.PASS, sentence, requests, told)


def _guards(watch: Watch, new: Reading, old: Reading, share: float) -> list[_Guard]:
    found = []
    if watch.errors is not None:
        found.append(_ratio("errors", "answered with an error", (new.errors, old.errors), share, watch.errors.margin))
    if watch.latency is not None:
        slow = _above(new.latency, watch.latency.slow_s), _above(old.latency, watch.latency.slow_s)
        found.append(_ratio("latency", f"slower than {watch.latency.slow_s:g} s", slow, share, watch.latency.margin))
    if watch.missing is not None:
        missing = (new.missing, old.missing)
        found.append(_ratio("missing", "without an output", missing, share, watch.missing.margin))
    if watch.drift is not None:
        found.append(_drift(new, old, share, watch.drift.tolerated))
    for one in watch.business:
        mine, theirs = new.business.get(one.name, (0, 0)), old.business.get(one.name, (0, 0))
        if one.worse == "more":
            found.append(_ratio(one.name, f"with '{one.name}'", (mine[0], theirs[0]), share, one.margin))
        else:
            turned = _ratio(one.name, "", (theirs[0], mine[0]), 1 - share, one.margin)
            found.append(_Guard(one.name, f"with '{one.name}'", mine[0], theirs[0], turned.evidence))
    return found


def _ratio(name: str, what: str, counts: tuple[int, int], share: float, margin: float) -> _Guard:
    evidence = Ratio(margin).log_evidence((Counts(*counts, share),))
    return _Guard(name, what, *counts, evidence)


def _drift(new: Reading, old: Reading, share: float, tolerated: float) -> _Guard:
    mine, theirs = _ranges(new.scores), _ranges(old.scores)
    evidence = 0.0
    if mine and len(mine) == len(theirs):
        evidence = drift.log_evidence(mine, theirs, share, tolerated)
    return _Guard("drift", "scores that fall elsewhere than the baseline's", sum(mine), sum(theirs), evidence)


def _levels(watch: Watch, guards: list[_Guard]) -> list[float]:
    if len(guards) < 2 or watch.errors is None:
        return [watch.alpha / len(guards)] * len(guards) if guards else []
    others = watch.alpha * (1 - ERRORS_WEIGHT) / (len(guards) - 1)
    return [watch.alpha * ERRORS_WEIGHT if one.name == "errors" else others for one in guards]


def _said(guard: _Guard, requests: tuple[int, int]) -> str:
    if guard.name == "drift":
        return f"{guard.what} ({guard.new} beside {guard.baseline})"
    mine, theirs = (
        f"{n} of {of} ({n / of:.2%})" if of else str(n)
        for n, of in ((guard.new, requests[0]), (guard.baseline, requests[1]))
    )
    return f"{guard.what}: {mine} beside {theirs} of the baseline"


def _less(now: tuple[tuple[float, int], ...], then: tuple[tuple[float, int], ...]) -> tuple[tuple[float, int], ...]:
    before = dict(then)
    return tuple((bound, count - before.get(bound, 0)) for bound, count in now)


def _above(histogram: tuple[tuple[float, int], ...], limit: float) -> int:
    """Return how many lie above the lowest bound that is at least the limit."""
    if not histogram:
        return 0
    within = next((count for bound, count in histogram if bound >= limit), histogram[-1][1])
    return histogram[-1][1] - within


def _ranges(histogram: tuple[tuple[float, int], ...]) -> list[int]:
    return [int(n) for n in np.diff([0, *(count for _, count in histogram)])]


def as_data(one: Look) -> dict[str, Any]:
    """Return a look as the journal holds it."""
    return {**asdict(one), "outcome": str(one.outcome)}
