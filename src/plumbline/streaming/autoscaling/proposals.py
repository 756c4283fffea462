"""How many replicas one metric asks for: the replica calculator of Kubernetes' HorizontalPodAutoscaler. Pure.

Source: kubernetes/kubernetes, pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go (what holds
for Pods, Object and External metrics), KEP-4951 (a tolerance for each direction).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from plumbline.streaming.autoscaling.policy import Metric, Policy


class State(StrEnum):
    """What can be expected of a replica.

    `pending` has not started; `unready` runs but takes no clients; `leaving` is being taken away; `failed` is dead.
    """

    READY = "ready"
    UNREADY = "unready"
    PENDING = "pending"
    LEAVING = "leaving"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica as it was seen.

    Args:
        name: Unique among the replicas.
        state: What it is about.
        values: Its value of each metric; a metric that is not in here is missing.
    """

    name: str
    state: State = State.READY
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen at one moment.

    Args:
        replicas: How many were asked for (the scale's `spec.replicas`).
        pods: Those that exist.
        totals: Values of the metrics over `total`; one that is not in here is missing.
        existing: How many exist (`status.replicas`); None: as many as were asked for.
    """

    replicas: int
    pods: tuple[Replica, ...] = ()
    totals: Mapping[str, float] = field(default_factory=dict)
    existing: int | None = None

    @property
    def ready(self) -> int:
        """Replicas that run and are ready, those that are leaving among them as long as they are ready."""
        return sum(pod.state in (State.READY, State.LEAVING) for pod in self.pods)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for.

    Args:
        metric: Its name.
        replicas: How many; None if it cannot be said.
        ratio: Current value through target, before missing replicas are considered; None if unknown.
        sentence: How it came to that.
    """

    metric: str
    replicas: int | None
    ratio: float | None
    sentence: str


def milli(value: float) -> int:
    """Return thousandths, rounded up, as Kubernetes' `Quantity.MilliValue` does."""
    return int((Decimal(repr(float(value))) * 1000).to_integral_value(ROUND_CEILING))


def within(policy: Policy, ratio: float) -> bool:
    """Return whether a ratio is so near to 1 that nothing should be done."""
    return (1.0 - policy.down.tolerance) <= ratio <= (1.0 + policy.up.tolerance)


def propose(policy: Policy, metric: Metric, seen: Observation) -> Proposal:
    """Return what one metric of the policy asks for."""
    if metric.over == "pods":
        return _from_pods(policy, metric, seen)
    if metric.name not in seen.totals:
        return Proposal(metric.name, None, None, f"{metric.name} is missing")
    total, target = milli(seen.totals[metric.name]), milli(metric.target)
    if metric.value is not None:
        return _from_value(policy, metric, seen, total / target)
    return _from_average(policy, metric, seen, total, target)


def _from_value(policy: Policy, metric: Metric, seen: Observation, ratio: float) -> Proposal:
    """Compare one value with its target; the ready replicas are multiplied by the ratio."""
    found = f"{metric.name} is at {ratio:.3g} of its target {metric.target:g}"
    if seen.replicas == 0:
        return Proposal(metric.name, math.ceil(ratio), ratio, f"{found}; none runs: ceil({ratio:.3g})")
    if within(policy, ratio):
        return Proposal(metric.name, seen.replicas, ratio, f"{found}: within tolerance")
    if not seen.pods:
        return Proposal(metric.name, None, ratio, f"{metric.name}: no replica is known")
    count = math.ceil(ratio * seen.ready)
    return Proposal(metric.name, count, ratio, f"{found}: ceil({ratio:.3g} x {seen.ready} ready) = {count}")


def _from_average(policy: Policy, metric: Metric, seen: Observation, total: int, target: int) -> Proposal:
    """Share one value among the replicas."""
    existing = seen.replicas if seen.existing is None else seen.existing
    ratio = total / (target * existing) if existing else (math.inf if total else math.nan)
    found = f"{metric.name} is {total / 1000:g} for {existing} replicas, target {metric.target:g} each"
    if within(policy, ratio):
        return Proposal(metric.name, existing, ratio, f"{found}: within tolerance")
    count = math.ceil(total / target)
    return Proposal(metric.name, count, ratio, f"{found}: ceil({total / 1000:g} / {metric.target:g}) = {count}")


def _from_pods(policy: Policy, metric: Metric, seen: Observation) -> Proposal:
    """Average the replicas' own values; assume what is cautious of those that have none."""
    target = milli(metric.target)
    living = [pod for pod in seen.pods if pod.state not in (State.LEAVING, State.FAILED)]
    pending = sum(pod.state is State.PENDING for pod in living)
    running = [pod for pod in living if pod.state is not State.PENDING]
    values = [milli(pod.values[metric.name]) for pod in running if metric.name in pod.values]
    missing = len(running) - len(values)
    if not values:
        return Proposal(metric.name, None, None, f"{metric.name}: no replica that runs has a value")
    ratio = _ratio(values, target)
    found = f"{metric.name} is {sum(values) // len(values) / 1000:g} on average, target {metric.target:g}"
    with_pending = pending > 0 and ratio > 1.0
    if not with_pending and not missing:
        if within(policy, ratio):
            return Proposal(metric.name, seen.replicas, ratio, f"{found}: within tolerance")
        count = math.ceil(ratio * len(values))
        return Proposal(metric.name, count, ratio, f"{found}: ceil({ratio:.3g} x {len(values)}) = {count}")
    assumed = [target if ratio < 1.0 else 0] * (missing if ratio != 1.0 else 0) + [0] * (pending * with_pending)
    return _cautious(
        policy, metric, seen, ratio, values + assumed, f"{found}, {missing} missing, {pending} not started"
    )


def _cautious(
    policy: Policy, metric: Metric, seen: Observation, ratio: float, values: list[int], found: str
) -> Proposal:
    """Decide again with assumed values; what turns the direction round, or is small now, is left alone."""
    again = _ratio(values, milli(metric.target))
    if within(policy, again) or (ratio - 1.0) * (again - 1.0) < 0:
        return Proposal(
            metric.name, seen.replicas, ratio, f"{found}: with cautious values the ratio is {again:.3g}, keep"
        )
    count = math.ceil(again * len(values))
    if (again - 1.0) * (count - seen.replicas) < 0:
        return Proposal(metric.name, seen.replicas, ratio, f"{found}: {count} would turn the direction round, keep")
    return Proposal(metric.name, count, ratio, f"{found}: ceil({again:.3g} x {len(values)}) = {count}")


def _ratio(values: list[int], target: int) -> float:
    return (sum(values) // len(values)) / target  # a whole number of thousandths, as in GetMetricUsageRatio
