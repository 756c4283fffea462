"""The loop that keeps the number of workers where the policy wants it. The clock and the workers are passed in."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from plumbline.streaming.autoscaling.hpa import Decision, History, decide, instead
from plumbline.streaming.autoscaling.policy import Policy
from plumbline.streaming.autoscaling.proposals import Observation, Replica, State
from plumbline.streaming.server import log

KEPT = 100  # decisions, and changes, that the admin socket shows


@dataclass(frozen=True, slots=True)
class Seen:
    """One worker at one moment.

    Args:
        name: Its name.
        state: What can be expected of it.
        pid: Its process: counters of another process start again.
        stats: Its counters; None if it did not answer.
    """

    name: str
    state: State
    pid: int
    stats: Mapping[str, Any] | None


class Rates:
    """Turns two looks at counters into rates."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, float, int]] = {}

    def values(self, seen: Seen, now: float) -> dict[str, float]:
        """Return the metrics of one worker: `connections`, and `deliveries_per_second` from the second look on."""
        if seen.stats is None:
            return {}
        found = {"connections": float(seen.stats["connections"])}
        deliveries = int(seen.stats["deliveries"])
        pid, at, before = self._before.get(seen.name, (0, now, 0))
        if pid == seen.pid and now > at:
            found["deliveries_per_second"] = max(0.0, (deliveries - before) / (now - at))
        self._before[seen.name] = (seen.pid, now, deliveries)
        return found


class Autoscaler:
    """Looks, decides, scales. Shrinking takes one worker at a time, and the next only when the last has drained.

    Args:
        policy: The rules.
        look: Returns the workers as they are now.
        scale: Makes it so many workers.
        drain_s: Returns the drain window in seconds.
        clock: Returns seconds that only grow.
    """

    def __init__(
        self,
        policy: Policy,
        look: Callable[[], Awaitable[list[Seen]]],
        scale: Callable[[int], Awaitable[None]],
        *,
        drain_s: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.policy = policy
        self.decisions: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.changes: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._look = look
        self._scale = scale
        self._drain_s = drain_s
        self._clock = clock
        self._history = History()
        self._rates = Rates()
        self._shrunk_at: float | None = None

    async def run(self) -> None:
        """Decide again and again, every `policy.sync_period_s`."""
        while True:
            try:
                await self.step()
            except Exception:  # a failed round must not end the loop
                logging.getLogger(log.NAME).exception("internal error: autoscaler")
            await asyncio.sleep(self.policy.sync_period_s)

    async def step(self) -> int:
        """Decide once; return how many workers there should be."""
        now = self._clock()
        workers = await self._look()
        pods = tuple(Replica(one.name, one.state, self._rates.values(one, now)) for one in workers)
        current = sum(one.state is not State.LEAVING for one in workers)
        totals = {
            metric.name: sum(pod.values.get(metric.name, 0.0) for pod in pods)
            for metric in self.policy.metrics
            if metric.over == "total" and any(metric.name in pod.values for pod in pods)
        }
        decision = decide(self.policy, self._history, Observation(current, pods, totals), now)
        target, reasons = self._one_at_a_time(decision, current, workers, now)
        if target == decision.replicas:
            self._history = decision.history
        else:  # the rates are those of changes that were made
            self._history = instead(self.policy, self._history, decision, target - current, now)
        self._note(decision, current, target, reasons)
        if target != current:
            self.changes.append(self._change(workers, pods, current, target, now))
        if target != current:
            await self._scale(target)
            if target < current:
                self._shrunk_at = now
        return target

    def take(self, policy: Policy) -> None:
        """Let another policy hold from the next decision on; what was recommended before is remembered."""
        self.policy = policy

    def view(self) -> dict[str, Any]:
        """Return the policy, and the last decisions and changes, newest first."""
        return {
            "policy": self.policy.model_dump(mode="json"),
            "now": round(self._clock(), 3),
            "decisions": list(reversed(self.decisions)),
            "changes": list(reversed(self.changes)),
        }

    def _change(
        self, workers: list[Seen], pods: tuple[Replica, ...], current: int, target: int, now: float
    ) -> dict[str, Any]:
        """Describe a change: the load there was, and how many clients must go elsewhere for it."""
        held = sorted(int(one.stats["connections"]) for one in workers if one.stats and one.state is not State.LEAVING)
        load = {
            metric.name: round(sum(pod.values.get(metric.name, 0.0) for pod in pods), 3)
            for metric in self.policy.metrics
        }
        moved = sum(held[: max(0, current - target)])  # the workers with the fewest go
        return {"at": round(now, 3), "from": current, "to": target, "load": load, "moved": moved}

    def _one_at_a_time(
        self, decision: Decision, current: int, workers: list[Seen], now: float
    ) -> tuple[int, tuple[str, ...]]:
        if decision.replicas >= current:
            return decision.replicas, decision.reasons
        window = self._drain_s()
        if any(one.state is State.LEAVING for one in workers):
            return current, (*decision.reasons, "a worker is still draining: wait for it")
        if self._shrunk_at is not None and now - self._shrunk_at < window:
            return current, (*decision.reasons, f"the last worker went less than {window:g} s ago: wait")
        if decision.replicas < current - 1:
            return current - 1, (*decision.reasons, "one worker at a time")
        return decision.replicas, decision.reasons

    def _note(self, decision: Decision, current: int, target: int, reasons: tuple[str, ...]) -> None:
        ratios = {item.metric: item.ratio for item in decision.proposals}
        self.decisions.append(
            {"at": round(self._clock(), 3), "from": current, "to": target, "code": decision.code, "ratios": ratios}
            | {"reasons": list(reasons)}
        )
        if target != current:
            log.event(
                logging.INFO, "scaling", workers=current, to=target, code=decision.code, because="; ".join(reasons)
            )
