"""How the number of workers or replicas changed lately, as evidence; `plumbline.streaming.evidence` offers it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes.reached import asked, malformed

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """One change of the number of replicas."""

    ago_s: float = measured("s", "how long ago")
    before: int = measured("{replica}", "replicas before")
    after: int = measured("{replica}", "replicas after")
    load: float | None = measured(
        "1", "total of the first metric when it was decided, in the metric's unit; None: unknown", default=None
    )
    moved: int | None = measured("{connection}", "connections of the replicas that went; None: unknown", default=None)


@dataclass(frozen=True, slots=True)
class Scaled:
    """One thing that is scaled: a supervisor's workers, a Deployment."""

    name: str = measured("", "its name", secrecy="internal")
    events: tuple[ScaleEvent, ...] = measured("", "changes of the last hour, oldest first")
    down_window_s: float | None = measured("s", "stabilisation window for shrinking; None: unknown", default=None)
    tolerance: float | None = measured("1", "distance of the ratio from 1 that is let be; None: unknown", default=None)

    @property
    def turns(self) -> tuple[ScaleEvent, ...]:
        """Changes in the other direction than the one before."""
        ups = [(one, one.after > one.before) for one in self.events]
        return tuple(one for (_, before), (one, up) in pairwise(ups) if before != up)

    @property
    def period_s(self) -> float | None:
        """Mean time between two turns, in seconds; None with fewer than two."""
        turns = self.turns
        return (turns[0].ago_s - turns[-1].ago_s) / (len(turns) - 1) if len(turns) > 1 else None

    @property
    def moved(self) -> int:
        """Connections that had to go elsewhere for it, as far as it is known."""
        return sum(one.moved or 0 for one in self.events)


@dataclass(frozen=True, slots=True)
class ScaleEvents:
    """What was scaled in the last hour."""

    scaled: tuple[Scaled, ...] = measured("", "what is scaled, the most turns first, at most 50")
    sources: ClassVar[tuple[Source, ...]] = ()


def events_from_admin(endpoint: Endpoint) -> ScaleEvents:
    """Ask a supervisor for its autoscaler's changes.

    Raises:
        UnavailableError: The admin socket does not answer, not sensibly, or nothing is scaled there.
    """
    answer = asked(endpoint, "autoscaler")
    try:
        policy = answer["policy"]
        if policy is None:
            raise UnavailableError("not_configured", f"nothing scales the workers of {endpoint.admin}")
        metric = policy["metrics"][0]["name"]
        events = [
            ScaleEvent(answer["now"] - one["at"], one["from"], one["to"], one["load"].get(metric), one["moved"])
            for one in reversed(answer["changes"])
        ]
        recent = tuple(one for one in events if one.ago_s <= HOUR_S)
        down = policy["down"]
        return ScaleEvents((Scaled("workers", recent, float(down["stabilization_s"]), float(down["tolerance"])),))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise malformed(endpoint, error) from None


def events_from_prometheus(endpoint: Endpoint) -> ScaleEvents:
    """Read the replicas of the last hour from a Prometheus server that scrapes kube-state-metrics.

    Raises:
        UnavailableError: `metrics` is no Prometheus server's address, it does not answer, or it knows of no replicas.
    """
    from plumbline.streaming.probes.prometheus import replicas

    rows = replicas(endpoint, HOUR_S)
    found = []
    for name, samples in rows.items():
        end = samples[-1][0]
        changes = [
            ScaleEvent(end - at, int(before), int(after))
            for (_, before), (at, after) in pairwise(samples)
            if before != after
        ]
        found.append(Scaled(name, tuple(changes)))
    return ScaleEvents(tuple(sorted(found, key=lambda one: (-len(one.turns), one.name))[:50]))


ScaleEvents.sources = (
    Source(frozenset({"admin"}), "the autoscaler's changes over the admin socket {admin}", events_from_admin),
    Source(
        frozenset({"metrics"}),
        "kube_deployment_spec_replicas of the last hour from the Prometheus server {metrics}",
        events_from_prometheus,
    ),
)
