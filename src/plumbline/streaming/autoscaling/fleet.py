"""Replicas that hold connections, as a fluid: fractions of connections come, stay, move and go. Pure, deterministic.

What makes sockets different from requests: a connection stays where it is. A new replica gets only new connections, and
one that goes sends all of its clients elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from plumbline.streaming.autoscaling.proposals import Replica, State


@dataclass(frozen=True, slots=True)
class Habits:
    """How replicas and clients behave.

    Args:
        startup_s: Seconds from asked for to ready.
        drain_s: Seconds over which a replica that goes sends its clients away.
        lifetime_s: Mean lifetime of a connection, after which its client connects anew; 0: it stays for ever.
        spread: Where new connections go: `least` connections, or `even` (round robin, SO_REUSEPORT).
        victim: Which replica goes: `newest` (a ReplicaSet's choice among ready ones), or `fewest` connections.
    """

    startup_s: float = 20.0
    drain_s: float = 60.0
    lifetime_s: float = 3600.0
    spread: str = "least"
    victim: str = "newest"


@dataclass(slots=True)
class Member:
    """One replica.

    Args:
        name: Unique.
        ready_at: When it takes clients.
        leaves_at: When it is gone; None while it stays.
        connections: How many it holds.
    """

    name: str
    ready_at: float
    leaves_at: float | None = None
    connections: float = 0.0


@dataclass(slots=True)
class Fleet:
    """All replicas.

    Args:
        habits: How they behave.
    """

    habits: Habits
    members: list[Member] = field(default_factory=list)
    waiting: float = 0.0
    _made: int = 0

    @property
    def staying(self) -> list[Member]:
        """Replicas that are not on their way out."""
        return [one for one in self.members if one.leaves_at is None]

    def ready(self, now: float) -> list[Member]:
        """Return the replicas that take new connections."""
        return [one for one in self.members if one.leaves_at is None and one.ready_at <= now]

    def scale(self, count: int, now: float, *, warm: bool = False) -> None:
        """Have `count` replicas: start some, or let some go."""
        for _ in range(count - len(self.staying)):
            self._made += 1
            self.members.append(Member(f"replica-{self._made}", now if warm else now + self.habits.startup_s))
        for _ in range(len(self.staying) - count):
            self._victim(now).leaves_at = now + self.habits.drain_s

    def step(self, wanted: float, now: float, dt: float) -> float:
        """Let `dt` seconds pass; return how many clients had to connect anew."""
        moved = sum(self._leaving(one, now, dt) for one in self.members)
        self.members = [one for one in self.members if one.leaves_at is None or one.leaves_at > now]
        self._arrive(wanted, now)
        return moved

    def observed(self, now: float, per_connection: float) -> tuple[Replica, ...]:
        """Return the replicas as the autoscaler's metrics show them."""
        return tuple(
            Replica(one.name, self._state(one, now), self._values(one, now, per_connection)) for one in self.members
        )

    def _victim(self, now: float) -> Member:
        starting = [one for one in self.staying if one.ready_at > now]
        if starting:
            return starting[-1]
        if self.habits.victim == "fewest":
            return min(self.staying, key=lambda one: one.connections)
        return max(self.staying, key=lambda one: one.ready_at)

    def _leaving(self, one: Member, now: float, dt: float) -> float:
        """Take away the connections that end within `dt` and come back elsewhere."""
        share = dt / self.habits.lifetime_s if self.habits.lifetime_s else 0.0
        if one.leaves_at is not None:
            left = one.leaves_at - now + dt
            share = max(share, dt / left if left > dt else 1.0)
        gone = one.connections * min(1.0, share)
        one.connections -= gone
        return gone

    def _arrive(self, wanted: float, now: float) -> None:
        """Seat those who want to be connected: those who moved, wait or are new; or let some go home."""
        here = sum(one.connections for one in self.members)
        if here > wanted:
            keep = wanted / here
            for one in self.members:
                one.connections *= keep
            self.waiting = 0.0
            return
        takers = self.ready(now)
        coming = max(0.0, wanted - here)
        if not takers:
            self.waiting = coming
            return
        self.waiting = 0.0
        if self.habits.spread == "even":
            for one in takers:
                one.connections += coming / len(takers)
        else:
            _fill(takers, coming)

    def _state(self, one: Member, now: float) -> State:
        if one.leaves_at is not None:
            return State.LEAVING
        return State.READY if one.ready_at <= now else State.PENDING

    def _values(self, one: Member, now: float, per_connection: float) -> dict[str, float]:
        if one.ready_at > now:
            return {}
        return {"connections": one.connections, "deliveries_per_second": one.connections * per_connection}


def _fill(takers: list[Member], coming: float) -> None:
    """Pour `coming` connections where there are fewest, until all stand at one level."""
    order = sorted(takers, key=lambda one: one.connections)
    for count, (one, above) in enumerate(zip(order, [*order[1:], None], strict=True), 1):
        room = (above.connections - one.connections) * count if above is not None else coming
        poured = min(coming, room)
        for lower in order[:count]:
            lower.connections += poured / count
        coming -= poured
        if coming <= 0:
            return
