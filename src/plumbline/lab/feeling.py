"""When it hurts: limits on what the independent clients measured, declared by a fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from plumbline.lab.service import Service

_BELOW = ("delivery_ratio", "publish_ratio", "connect_ratio", "request_ratio", "right_ratio", "clients_ratio")


@dataclass(frozen=True, slots=True)
class Felt:
    """How the workload feels the platform now.

    Args:
        hurts: True if a user would complain.
        sentence: One sentence with the measured numbers, from the client's view.
        numbers: The same numbers, by snake-case name with the unit as suffix (`delivery_ratio`, `p99_s`).
    """

    hurts: bool
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HurtsWhen:
    """Limits; it hurts when one of those given is broken. Ratios hurt below, times (in seconds) and counts above.

    Args:
        delivery_ratio: Messages delivered over those due.
        publish_ratio: Messages that the server took over those due.
        connect_ratio: Fresh connections that worked over those tried.
        request_ratio: HTTP requests that worked over those sent.
        right_ratio: Right answers over all answers.
        clients_ratio: Long-lived clients that are connected over those wanted.
        p99_s: 99th percentile from when a message was due to its arrival.
        connect_p99_s: 99th percentile of a fresh connection.
        request_p99_s: 99th percentile of an HTTP request.
        away_s: Longest time a long-lived client was without its connection.
        staleness_s: Age of what the worst-off subscriber has.
        closes: Long-lived connections that the other side closed.
        window_s: Length of the window of all of these, in seconds.
    """

    delivery_ratio: float | None = None
    publish_ratio: float | None = None
    connect_ratio: float | None = None
    request_ratio: float | None = None
    right_ratio: float | None = None
    clients_ratio: float | None = None
    p99_s: float | None = None
    connect_p99_s: float | None = None
    request_p99_s: float | None = None
    away_s: float | None = None
    staleness_s: float | None = None
    closes: float | None = None
    window_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.limits:
            raise ValueError("HurtsWhen() names no limit: give one, as in HurtsWhen(p99_s=2.0)")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are given, by name."""
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "window_s"}
        return {name: limit for name, limit in found.items() if limit is not None}

    def judge(self, service: Service) -> Felt:
        """Hold a measurement against the limits."""
        numbers = {name: _value(service, name) for name in self.limits}
        broken = [
            name
            for name, limit in self.limits.items()
            if (numbers[name] < limit if name in _BELOW else numbers[name] > limit)
        ]
        words = ", ".join(f"{name} {numbers[name]:.2f} (limit {limit:g})" for name, limit in self.limits.items())
        return Felt(bool(broken), f"{words}: {service}", numbers)


def _value(service: Service, name: str) -> float:
    return float(service.unexpected_closes if name == "closes" else getattr(service, name))
