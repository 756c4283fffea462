"""Kubernetes' HorizontalPodAutoscaler as a pure function: what was seen in, how many replicas there should be out.

Source: kubernetes/kubernetes, pkg/controller/podautoscaler/horizontal.go (`reconcileAutoscaler`,
`computeReplicasForMetrics`, `stabilizeRecommendationWithBehaviors`, `convertDesiredReplicasWithBehaviorRate`,
`calculateScaleUpLimitWithScalingRules`, `calculateScaleDownLimitWithBehaviors`, `storeScaleEvent`). Like a HPA with
`behavior` set: each field that is not given has the documented default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from plumbline.streaming.autoscaling.policy import Direction, Policy, Rate
from plumbline.streaming.autoscaling.proposals import Observation, Proposal, propose


@dataclass(frozen=True, slots=True)
class Moment:
    """A number and when it was.

    Args:
        at: Clock time in seconds.
        count: Replicas recommended, or replicas that came or went.
    """

    at: float
    count: int


@dataclass(frozen=True, slots=True)
class History:
    """What must be remembered from one decision to the next.

    Args:
        recommended: What the metrics asked for, before windows and rates.
        ups: How many replicas were added when.
        downs: How many were taken away when.
    """

    recommended: tuple[Moment, ...] = ()
    ups: tuple[Moment, ...] = ()
    downs: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas there should be.

    Args:
        replicas: The number to scale to.
        reasons: How it came to that, one sentence a step.
        history: To be passed to the next call.
        proposals: What each metric asked for.
        recommended: What the metrics asked for together, before windows and rates; None if that could not be said.
        code: One word for the last thing that decided, as in the HPA's conditions (`ScaleUpLimit`,
            `ScaleDownStabilized`, `DesiredWithinRange`, …).
    """

    replicas: int
    reasons: tuple[str, ...]
    history: History
    proposals: tuple[Proposal, ...] = ()
    recommended: int | None = None
    code: str = "DesiredWithinRange"


@dataclass(slots=True)
class _Course:
    """One decision on its way."""

    policy: Policy
    history: History
    current: int
    now: float
    reasons: list[str] = field(default_factory=list)
    code: str = "DesiredWithinRange"

    def note(self, code: str, sentence: str) -> None:
        self.code = code
        self.reasons.append(sentence)


def decide(policy: Policy, history: History, seen: Observation, now: float) -> Decision:
    """Return how many replicas there should be.

    Args:
        policy: The rules.
        history: `Decision.history` of the call before; `History()` at first.
        seen: Replicas and metrics now.
        now: The clock, in seconds; it must not go back.
    """
    current = seen.replicas
    if not history.recommended:
        history = replace(history, recommended=(Moment(now, current),))
    course = _Course(policy, history, current, now)
    if current == 0 and policy.min_replicas != 0:
        course.note("ScalingDisabled", "no replica is asked for: autoscaling is off until somebody asks for one")
        return Decision(0, tuple(course.reasons), history, code=course.code)
    if not policy.min_replicas <= current <= policy.max_replicas:
        bound = policy.max_replicas if current > policy.max_replicas else policy.min_replicas
        name = "max_replicas" if current > policy.max_replicas else "min_replicas"
        course.note("OutOfBounds", f"{current} replicas are beyond {name}={bound}")
        return _finish(course, bound, (), None)
    proposals = tuple(propose(policy, metric, seen) for metric in policy.metrics)
    asked = _largest(course, proposals)
    if asked is None:
        return Decision(current, tuple(course.reasons), history, proposals, code=course.code)
    steady = _stabilize(course, asked)
    return _finish(course, _limit(course, steady), proposals, asked)


def _largest(course: _Course, proposals: tuple[Proposal, ...]) -> int | None:
    """Return the largest proposal; None when no metric can be read, or when shrinking without one that is missing."""
    course.reasons += [item.sentence for item in proposals]
    counts = [item.replicas for item in proposals if item.replicas is not None]
    if not counts:
        course.note("FailedGetMetrics", "no metric can be read: keep")
        return None
    if len(counts) < len(proposals) and max(counts) < course.current:
        course.note("FailedGetMetrics", "a metric is missing and the others would shrink: keep")
        return None
    return max(counts)


def _stabilize(course: _Course, asked: int) -> int:
    """Bring the current number into what the windows permit: above all lows, below all highs."""
    up_from = course.now - course.policy.up.stabilization_s
    down_from = course.now - course.policy.down.stabilization_s
    past = course.history.recommended
    low = min([asked, *(item.count for item in past if item.at > up_from)])
    high = max([asked, *(item.count for item in past if item.at > down_from)])
    steady = min(max(course.current, low), high)
    outdated = [number for number, item in enumerate(past) if item.at < up_from and item.at < down_from]
    course.history = replace(course.history, recommended=_stored(past, outdated, Moment(course.now, asked)))
    if steady != asked:
        up = asked >= course.current
        word, window = ("lowest", course.policy.up) if up else ("highest", course.policy.down)
        course.note(
            "ScaleUpStabilized" if up else "ScaleDownStabilized",
            f"{asked} is asked for; the {word} recommendation of the last {window.stabilization_s} s gives {steady}",
        )
    return steady


def _limit(course: _Course, desired: int) -> int:
    """Hold the change to the rates and the bounds."""
    policy, current = course.policy, course.current
    if desired > current:
        rate = max(_up_limit(course), current)
        most = min(rate, policy.max_replicas)
        if desired > most:
            _say_limit(course, desired, most, "ScaleUpLimit" if rate < policy.max_replicas else "TooManyReplicas")
        return min(desired, most)
    if desired < current:
        rate = min(_down_limit(course), current)
        least = max(rate, policy.min_replicas)
        if desired < least:
            _say_limit(course, desired, least, "ScaleDownLimit" if rate > policy.min_replicas else "TooFewReplicas")
        return max(desired, least)
    return desired


def _say_limit(course: _Course, desired: int, limit: int, code: str) -> None:
    cause = {
        "ScaleUpLimit": f"up.rates permit {limit} now",
        "TooManyReplicas": f"max_replicas is {limit}",
        "ScaleDownLimit": f"down.rates permit {limit} now",
        "TooFewReplicas": f"min_replicas is {limit}",
    }[code]
    course.note(code, f"{desired} is wanted, but {cause}")


def _up_limit(course: _Course) -> int:
    rules = course.policy.up
    if rules.select == "disabled":
        return course.current
    limits = [_grown(rate, _base(course, rate)) for rate in rules.rates]
    return min(limits) if rules.select == "min" else max(limits)


def _down_limit(course: _Course) -> int:
    rules = course.policy.down
    if rules.select == "disabled":
        return course.current
    limits = [_shrunk(rate, _base(course, rate)) for rate in rules.rates]
    return max(limits) if rules.select == "min" else min(limits)


def _grown(rate: Rate, base: int) -> int:
    return base + rate.value if rate.type == "pods" else math.ceil(base * (1 + rate.value / 100))


def _shrunk(rate: Rate, base: int) -> int:
    return base - rate.value if rate.type == "pods" else int(base * (1 - rate.value / 100))


def _base(course: _Course, rate: Rate) -> int:
    """Return how many replicas there were at the start of the rate's period."""
    since = course.now - rate.period_s
    added = sum(item.count for item in course.history.ups if item.at > since)
    taken = sum(item.count for item in course.history.downs if item.at > since)
    return course.current - added + taken


def instead(policy: Policy, before: History, decision: Decision, change: int, now: float) -> History:
    """Return the history when another change than the decided one was made.

    Args:
        policy: The rules.
        before: The history that was passed to `decide`.
        decision: What it returned.
        change: Replicas added, negative if taken away, 0 if nothing was done.
        now: The clock at the decision.
    """
    return _changed(policy, replace(before, recommended=decision.history.recommended), change, now)


def _finish(course: _Course, replicas: int, proposals: tuple[Proposal, ...], asked: int | None) -> Decision:
    """Note the change that is about to happen."""
    history = _changed(course.policy, course.history, replicas - course.current, course.now)
    return Decision(replicas, tuple(course.reasons), history, proposals, asked, course.code)


def _changed(policy: Policy, history: History, change: int, now: float) -> History:
    if change > 0:
        return replace(history, ups=_event(history.ups, policy.up, Moment(now, change)))
    if change < 0:
        return replace(history, downs=_event(history.downs, policy.down, Moment(now, -change)))
    return history


def _event(past: tuple[Moment, ...], rules: Direction, new: Moment) -> tuple[Moment, ...]:
    longest = max(rate.period_s for rate in rules.rates)
    return _stored(past, [number for number, item in enumerate(past) if item.at < new.at - longest], new)


def _stored(past: tuple[Moment, ...], outdated: list[int], new: Moment) -> tuple[Moment, ...]:
    """Put the new one in the place of one that is outdated, or at the end: so the list stays bounded."""
    if outdated:
        return (*past[: outdated[-1]], new, *past[outdated[-1] + 1 :])
    return (*past, new)
