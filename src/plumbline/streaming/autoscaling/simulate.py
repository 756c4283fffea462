"""Replay a load through a policy: what replicas, reconnects, overload and cost would have been. Pure, deterministic."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from plumbline.streaming.autoscaling.fleet import Fleet, Habits
from plumbline.streaming.autoscaling.hpa import History, decide
from plumbline.streaming.autoscaling.loads import Load
from plumbline.streaming.autoscaling.policy import Policy
from plumbline.streaming.autoscaling.proposals import Observation, Replica

STEPS = 50_000  # of one simulation at most: a month is simulated in steps of a minute
FLAP_WINDOW_S = 3600.0


@dataclass(frozen=True, slots=True)
class World:
    """What surrounds the policy.

    Args:
        habits: How replicas and clients behave.
        metrics_delay_s: Age of the metrics when they are judged, in seconds (scrape, adapter).
        capacity_connections: Connections that one replica bears; None: not known.
        capacity_deliveries: Messages per second that one replica bears; None: not known.
        price_per_hour: Cost of one replica for an hour, in any currency.
    """

    habits: Habits = field(default_factory=Habits)
    metrics_delay_s: float = 15.0
    capacity_connections: float | None = None
    capacity_deliveries: float | None = None
    price_per_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """One moment of a simulation.

    Args:
        at: Seconds from the start.
        wanted: Clients that want to be connected.
        asked: Replicas asked for.
        ready: Replicas that take clients.
        fullest: Connections of the fullest replica.
        mean: Connections per ready replica.
        deliveries: Messages per second of the busiest replica.
        reconnects_per_s: Clients that connect anew, per second.
        waiting: Clients that find no replica.
    """

    at: float
    wanted: float
    asked: int
    ready: int
    fullest: float
    mean: float
    deliveries: float
    reconnects_per_s: float
    waiting: float


@dataclass(frozen=True, slots=True)
class Change:
    """The number of replicas changed.

    Args:
        at: Seconds from the start.
        before: Replicas until then.
        after: Replicas from then on.
        reasons: Why, one sentence a step.
    """

    at: float
    before: int
    after: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """One simulation in numbers.

    Args:
        replica_hours: Replicas times hours, those that start or drain included.
        cost: `replica_hours` at the world's price.
        most_replicas: Highest number asked for.
        changes: How often the number changed.
        turns_per_hour: Changes of direction (up after down, or down after up) in the worst hour: flapping.
        reconnects: Clients that had to connect anew, all in all.
        worst_reconnects_per_s: Most of them in one second.
        fullest: Connections of the fullest replica, ever.
        overloaded_s: Seconds in which some replica was above its capacity, or its target where none is known.
        unserved_client_s: Clients without any replica, times seconds.
    """

    replica_hours: float
    cost: float
    most_replicas: int
    changes: int
    turns_per_hour: int
    reconnects: float
    worst_reconnects_per_s: float
    fullest: float
    overloaded_s: float
    unserved_client_s: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """What would have been.

    Args:
        ticks: Moment by moment, at even distances.
        changes: Each change of the number of replicas.
        summary: All of it in numbers.
    """

    ticks: tuple[Tick, ...]
    changes: tuple[Change, ...]
    summary: Summary

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; columns instead of one object per tick."""
        names = list(asdict(self.ticks[0]))
        columns = {name: [round(float(getattr(tick, name)), 3) for tick in self.ticks] for name in names}
        return {"summary": asdict(self.summary), "changes": [asdict(one) for one in self.changes], "ticks": columns}


def simulate(policy: Policy, load: Load, world: World | None = None) -> Simulation:
    """Replay a load through a policy.

    Args:
        policy: The rules.
        load: What clients want.
        world: What surrounds the policy.
    """
    run = _Run(policy, load, world or World())
    for number in range(math.floor(load.duration_s / run.dt) + 1):
        run.step(number * run.dt)
    return Simulation(tuple(run.ticks), tuple(run.changes), run.summary())


class _Run:
    """A simulation on its way."""

    def __init__(self, policy: Policy, load: Load, world: World) -> None:
        self.policy, self.load, self.world = policy, load, world
        self.dt = max(1.0, load.duration_s / STEPS)
        self.ticks: list[Tick] = []
        self.changes: list[Change] = []
        self._fleet, self._history = Fleet(world.habits), History()
        self._seen: deque[tuple[float, tuple[Replica, ...]]] = deque()
        self._replica_s = self._next_sync = 0.0
        self._asked = _first(policy, load)
        self._fleet.scale(self._asked, 0.0, warm=True)
        self._fleet.step(load.now(0.0)[0], 0.0, self.dt)

    def step(self, now: float) -> None:
        """Let one step pass: clients come and go, and, when it is due, the policy decides."""
        wanted, deliveries = self.load.now(now)
        per_connection = deliveries / wanted if wanted else 0.0
        moved = self._fleet.step(wanted, now, self.dt)
        self._seen.append((now, self._fleet.observed(now, per_connection)))
        while len(self._seen) > 1 and self._seen[1][0] <= now - self.world.metrics_delay_s:
            self._seen.popleft()
        if now >= self._next_sync:
            self._next_sync = now + self.policy.sync_period_s
            self._decide(now, {"connections": wanted, "deliveries_per_second": deliveries})
        self._replica_s += len(self._fleet.members) * self.dt
        self.ticks.append(_tick(self._fleet, now, wanted, self._asked, per_connection, moved / self.dt))

    def _decide(self, now: float, totals: dict[str, float]) -> None:
        old = {one.name: one.values for one in self._seen[0][1]}  # as the metrics said a while ago
        pods = tuple(Replica(one.name, one.state, old.get(one.name, {})) for one in self._fleet.observed(now, 0.0))
        seen = Observation(self._asked, pods, totals, len(self._fleet.staying))
        decision = decide(self.policy, self._history, seen, now)
        self._history = decision.history
        if decision.replicas != self._asked:
            self.changes.append(Change(now, self._asked, decision.replicas, decision.reasons))
            self._asked = decision.replicas
            self._fleet.scale(self._asked, now)

    def summary(self) -> Summary:
        """Put it into numbers."""
        hours = self._replica_s / 3600
        return Summary(
            replica_hours=hours,
            cost=hours * self.world.price_per_hour,
            most_replicas=max(one.asked for one in self.ticks),
            changes=len(self.changes),
            turns_per_hour=turns(self.changes),
            reconnects=sum(one.reconnects_per_s for one in self.ticks) * self.dt,
            worst_reconnects_per_s=max(one.reconnects_per_s for one in self.ticks),
            fullest=max(one.fullest for one in self.ticks),
            overloaded_s=sum(map(self._overloaded, self.ticks)) * self.dt,
            unserved_client_s=sum(one.waiting for one in self.ticks) * self.dt,
        )

    def _overloaded(self, tick: Tick) -> bool:
        targets = {item.name: item.target for item in self.policy.metrics if item.value is None}
        slack = 1 + self.policy.up.tolerance
        connections = self.world.capacity_connections or targets.get("connections", math.inf) * slack
        deliveries = self.world.capacity_deliveries or targets.get("deliveries_per_second", math.inf) * slack
        return tick.fullest > connections or tick.deliveries > deliveries


def _first(policy: Policy, load: Load) -> int:
    """Return how many replicas the start of the load needs: what is judged is the change, not the beginning."""
    connections, deliveries = load.now(0.0)
    values = {"connections": connections, "deliveries_per_second": deliveries}
    needed = [math.ceil(values.get(item.name, 0.0) / item.target) for item in policy.metrics if item.value is None]
    return min(max([policy.min_replicas, 1, *needed]), policy.max_replicas)


def _tick(fleet: Fleet, now: float, wanted: float, asked: int, per_connection: float, rate: float) -> Tick:
    ready = fleet.ready(now)
    fullest = max((one.connections for one in fleet.members), default=0.0)
    mean = sum(one.connections for one in ready) / len(ready) if ready else 0.0
    return Tick(now, wanted, asked, len(ready), fullest, mean, fullest * per_connection, rate, fleet.waiting)


def turns(changes: list[Change]) -> int:
    """Return the most changes of direction within any hour: what people call flapping."""
    ups = [(one.at, one.after > one.before) for one in changes]
    at = [now for (_, before), (now, after) in pairwise(ups) if before != after]
    return max((sum(start <= other < start + FLAP_WINDOW_S for other in at) for start in at), default=0)
