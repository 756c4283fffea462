"""What a step can reach: registry and lane; each command with the deployer's epoch, told as it goes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from plumbline.deployment.core.errors import DeploymentError, FencedError, NotFoundError
from plumbline.deployment.core.lanes import Lane, copy_of
from plumbline.deployment.pipeline.journal import Entry
from plumbline.deployment.pipeline.plan import Plan
from plumbline.deployment.pipeline.ports import Built, Registry

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happens to a deployment.

    Args:
        what: Name of the step or effect: `gates`, `promote:alias`.
        when: Around an effect; `ended` for a step with its result; `told` for something to know in between.
        sentence: For people; empty before and after an effect.
        data: The same for machines.
    """

    what: str
    when: Literal["before", "after", "ended", "told"]
    sentence: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


Listen = Callable[[Moment], None]


@dataclass(frozen=True, slots=True)
class Facts:
    """Which versions a deployment is about, as journalled when it was found out.

    Args:
        candidate: What is to serve.
        production: What the alias pointed at; None for a first deployment.
    """

    candidate: Built
    production: Built | None

    @property
    def versions(self) -> dict[str, Any]:
        """What the journal holds."""
        old = self.production
        return {
            "candidate": [self.candidate.version, self.candidate.digest],
            "production": None if old is None else [old.version, old.digest],
        }

    @classmethod
    def of(cls, entries: list[Entry]) -> Facts | None:
        """Return what the journal says, if it was found out yet."""
        for entry in entries:
            if (found := entry.data.get("versions")) is not None:
                old = found["production"]
                return cls(Built(*found["candidate"]), None if old is None else Built(*old))
        return None


class World:
    """The outside, for one run of a deployment.

    Args:
        registry: Holds versions and the alias.
        lane: Switches.
        plan: Of the deployment.
        epoch: The lease's.
        listen: Hears of every effect.
    """

    def __init__(self, registry: Registry, lane: Lane, plan: Plan, epoch: int, listen: Listen) -> None:
        self.registry = registry
        self.lane = lane
        self.plan = plan
        self.epoch = epoch
        self.listen = listen

    def effect(self, name: str, act: Callable[[], Found]) -> Found:
        """Do something that the outside notices."""
        self.listen(Moment(name, "before"))
        found = act()
        self.listen(Moment(name, "after"))
        return found

    def pointed(self) -> Built | None:
        """Return what the alias points at."""
        version = self.registry.aliases(self.plan.model).get(self.plan.alias)
        if version is None:
            return None
        stored = self.registry.get(self.plan.model, version)
        return Built(stored.version, stored.digest)

    def point(self, name: str, to: Built, expect: Built | None, why: str) -> None:
        """Move the alias by compare-and-set."""

        def move() -> None:
            self.registry.move(
                self.plan.model,
                self.plan.alias,
                to=to.version,
                expect=None if expect is None else expect.version,
                by=self.plan.by,
                why=why,
                epoch=self.epoch,
            )

        self.effect(name, move)

    def ready(self, name: str, digest: str) -> None:
        """Have a version loaded and checked, unless it is."""
        if digest not in self.lane.serving().ready:
            self.effect(name, lambda: self.lane.prepare(digest, epoch=self.epoch))

    def share(self, name: str, shares: dict[str, float]) -> None:
        """Set who gets which part of the requests."""
        self.effect(name, lambda: self.lane.share(shares, epoch=self.epoch))

    def forget(self, name: str, *digests: str) -> list[str]:
        """Let go of versions that are loaded and not needed; return what could not be done, in words."""
        wrong = []
        for digest in digests:
            try:
                if digest in self.lane.serving().ready:
                    self.effect(name, lambda one=digest: self.lane.retire(one, epoch=self.epoch))  # type: ignore[misc]
            except FencedError:
                raise
            except DeploymentError as error:
                wrong.append(error.sentence)
        return wrong

    def serve_what_the_alias_says(self, facts: Facts) -> str:
        """Undo: the alias points where it pointed, unless somebody else has moved it, and the servers follow.

        Returns:
            What serves, in words.
        """
        candidate, before = facts.candidate, facts.production
        pointed = self.pointed()
        if pointed == candidate and before not in (None, candidate):
            assert before is not None  # noqa: S101 - for the type checker
            self.point("roll-back:alias", before, candidate, f"rolled back: {self.plan.why}")
            pointed = before
        if pointed is None:
            self.forget("roll-back:retire", candidate.digest)
            return "nothing serves, as before"
        self.ready("roll-back:prepare", pointed.digest)
        self.share("roll-back:share", {pointed.digest: 1.0})
        left = {candidate.digest, copy_of(pointed.digest)} - {pointed.digest}
        if before is not None:
            left.add(copy_of(before.digest))
        self.forget("roll-back:retire", *sorted(left))
        return f"{pointed.version} serves"

    def copied(self, name: str, production: Built) -> tuple[str, str]:
        """Load a fresh copy of the version that serves; return what to compare with, and why.

        Lanes that hold no copies refuse the name; then the version that serves is the baseline.
        """
        copy = copy_of(production.digest)
        try:
            self.ready(name, copy)
        except FencedError:
            raise
        except DeploymentError as error:
            if error.status >= 500 and not isinstance(error, NotFoundError):
                raise
            with contextlib.suppress(DeploymentError):
                self.lane.retire(copy, epoch=self.epoch)
            return production.digest, f"the lane holds no second copy ({error.sentence})"
        return copy, "a freshly loaded copy of the version that serves"
