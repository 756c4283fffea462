"""Runs a deployment from wherever its journal says it stands to its end, one step after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from plumbline.deployment.core.errors import ConflictError, DeploymentError, FencedError, NotFoundError
from plumbline.deployment.core.lanes import Lane, version_of
from plumbline.deployment.pipeline import approvals, steps
from plumbline.deployment.pipeline.journal import Deployment, Entry, Journal, Kind
from plumbline.deployment.pipeline.leasing import TTL_S, Held
from plumbline.deployment.pipeline.machine import GOOD, Course, Result, State, Step
from plumbline.deployment.pipeline.ports import Built, Registry, Source, Work
from plumbline.deployment.pipeline.presence import RUN, here, holder, leave, running
from plumbline.deployment.pipeline.stage import WATCH, Sides, Start, Watching
from plumbline.deployment.pipeline.steps import Ended, Waiting
from plumbline.deployment.pipeline.world import Facts, Listen, Moment, World

STOPPABLE = frozenset(Step) - {Step.SETTLE, Step.ROLL_BACK}
"""Steps before which a deployment can be stopped; later the way back is a rollback."""


def _silent(moment: Moment) -> None:
    del moment


@dataclass(frozen=True, slots=True)
class Controller:
    """Deploys.

    Args:
        journal: What is meant and what was done.
        registry: Versions, the alias, the lease.
        lane: Where it is switched.
        work: The pipeline's build, tests and gates. Without it a deployment that has not passed its gates is rejected.
        source: Counts for the watch. Without it a watch is inconclusive.
        listen: Hears of every effect and result.
        clock: Unix time in seconds.
        pause: Waits between two looks, in seconds.
        ttl_s: How long a deployer that is gone without a word keeps others away.
    """

    journal: Journal
    registry: Registry
    lane: Lane
    work: Work | None = None
    source: Source | None = None
    listen: Listen = _silent
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    ttl_s: float = TTL_S

    def run(self, deployment: Deployment) -> State:
        """Go on with a deployment until it ends, or until a person has to say something.

        Returns:
            The end, or the state in which it waits.

        Raises:
            ConflictError: Another deployer is at work on the model.
            FencedError: Another deployer has taken over; it decides what becomes of this deployment.
            UnavailableError: The way back, or the end of a first deployment, is blocked; running again goes on.
        """
        try:
            held = Held(self.registry, deployment.plan.model, holder(deployment.id), self.ttl_s, self._gone)
        except ConflictError as error:
            if all(one.kind == "note" for one in self.journal.entries(deployment.id)):  # it never began
                self.journal.append(
                    deployment.id,
                    Step.REJECTED,
                    "failed",
                    {"result": Result.FAIL, "sentence": error.sentence},
                    ended=Step.REJECTED,
                )
            raise
        with held:
            self.journal.append(deployment.id, RUN, "note", here())
            try:
                state = _Run(self, deployment, held).go()
            except Exception:
                leave(self.journal, deployment.id)
                raise
        if not state.ended:
            leave(self.journal, deployment.id)
        return state

    def _gone(self, left: str) -> bool:
        """Say whether a lease is left from a deployment that ended here, by a process that was killed just then."""
        name = left.rpartition("@")[0]
        if left != holder(name):
            return False  # another machine's: its lease says how long it has to be waited for
        try:
            ended = self.journal.get(name).ended is not None
        except NotFoundError:
            return False
        return ended and running(self.journal.entries(name)) is None


class _Run:
    """One run under one lease."""

    def __init__(self, controller: Controller, deployment: Deployment, held: Held) -> None:
        self._with = controller
        self._deployment = deployment
        self._held = held
        self._world = World(controller.registry, controller.lane, deployment.plan, held.epoch, controller.listen)
        self._facts: Facts | None = Facts.of(self._entries())

    def go(self) -> State:
        state = self._state()
        while not state.ended:
            self._held.check()
            try:
                ended = self._step(state)
            except Waiting as waiting:
                self._with.listen(Moment(state.name, "told", str(waiting), {"waiting": True}))
                return state
            state = self._record(state, ended)
        return state

    def _entries(self) -> list[Entry]:
        return self._with.journal.entries(self._deployment.id)

    def _state(self) -> State:
        entries = self._entries()
        ends = [(one.step, str(one.data["result"])) for one in entries if one.kind in ("done", "failed")]
        return self._course().fold(ends)

    def _course(self) -> Course:
        first = self._facts is not None and self._facts.production is None
        return self._deployment.plan.course(first=first)

    def _step(self, state: State) -> Ended:
        """Write the intent, have the effect, and say how it ended."""
        if state.step in STOPPABLE and (grant := approvals.stopped(self._entries())) is not None:
            committed = self._facts is not None and self._world.pointed() == self._facts.candidate
            if state.step is not Step.PROMOTE or not committed:
                return Ended(Result.ABORTED, f"stopped by {grant.by}: {grant.why}", {})
        if self._with.work is None and state.step in (Step.BUILD, Step.TEST, Step.GATES):
            return Ended(Result.ABORTED, "it had not passed its gates, and nobody is here to ask them again", {})
        if state.step is not Step.APPROVAL or not any(one.step == state.name for one in self._entries()):
            self._note(state, "intent", self._intended(state))
        try:
            return self._act(state)
        except DeploymentError as error:
            if isinstance(error, FencedError) or state.step is Step.ROLL_BACK or self._no_way_back(state):
                raise
            return Ended(Result.FAIL, error.sentence, {"error": error.as_dict()})

    def _no_way_back(self, state: State) -> bool:
        """Say whether the alias points at the candidate already, and at nothing else before."""
        facts = self._facts
        if state.step is not Step.PROMOTE or facts is None or facts.production not in (None, facts.candidate):
            return False
        return self._world.pointed() == facts.candidate

    def _intended(self, state: State) -> dict[str, Any]:
        if self._facts is None and state.step is Step.PREPARE:  # a rollback: what it is about, before anything moves
            plan = self._deployment.plan
            stored = self._with.registry.get(plan.model, plan.to)
            self._facts = Facts(Built(stored.version, stored.digest), self._world.pointed())
            return {"versions": self._facts.versions}
        return {}

    def _act(self, state: State) -> Ended:
        world, work = self._world, self._with.work
        if state.step is Step.BUILD and work is not None:
            ended, self._facts = steps.build(world, work)
            return ended
        facts = self._facts
        if facts is None:  # a rollback that was stopped before it knew what it is about
            return Ended(Result.OK, "nothing was begun", {})
        if work is not None and state.step is Step.TEST:
            return steps.tests(world, work, facts)
        if work is not None and state.step is Step.GATES:
            verdicts = partial(work.gates, facts.candidate, facts.production)
            return steps.judged(world, "gates", verdicts, dict(self._grants(facts)))
        return self._switch(state, facts)

    def _switch(self, state: State, facts: Facts) -> Ended:
        world = self._world
        match state.step:
            case Step.APPROVAL:
                return steps.approval(self._deployment, self._entries(), self._with.clock())
            case Step.PREPARE:
                return steps.prepare(world, facts, stages=self._course().stages)
            case Step.SHIFT:
                return self._shift(state, facts)
            case Step.WATCH:
                return self._watch(state, facts)
            case Step.PROMOTE:
                return steps.promote(world, facts)
            case Step.SETTLE:
                return steps.settle(world, facts)
            case _:
                return Ended(Result.OK, world.serve_what_the_alias_says(facts), {})

    def _grants(self, facts: Facts) -> Mapping[str, approvals.Grant]:
        journal, model = self._with.journal, self._deployment.plan.model
        return approvals.overrides(journal, model, facts.candidate.digest, self._with.clock())

    def _shift(self, state: State, facts: Facts) -> Ended:
        shares, _ = steps.shares(self._entries(), facts, self._deployment.plan.stages[state.stage].share)
        self._world.share(state.name, shares)
        told = ", ".join(f"{share:.0%} {self._name(digest, facts)}" for digest, share in shares.items())
        return Ended(Result.OK, told, {"shares": shares})

    def _name(self, digest: str, facts: Facts) -> str:
        if digest == facts.candidate.digest:
            return facts.candidate.version
        version = facts.production.version if facts.production else "?"
        return f"{version} (fresh copy)" if digest != version_of(digest) else version

    def _watch(self, state: State, facts: Facts) -> Ended:
        """Watch; after a crash from where the stage began, with the shares set anew: a server may have been started."""
        plan, entries = self._deployment.plan, self._entries()
        share = plan.stages[state.stage].share
        shares, baseline = steps.shares(entries, facts, share)
        source = self._with.source
        if source is None:
            return Ended(
                Result.INCONCLUSIVE, "nobody counts what is served: name the servers' metrics (lane.metrics)", {}
            )
        part = share / (share + shares[baseline])
        sides = Sides(facts.candidate.digest, baseline, part)
        watch = Watching(plan, state.stage, sides, source, self._with.clock, self._with.pause, self._wanted_stop)
        start = next((one.data["start"] for one in entries if one.step == state.name and "start" in one.data), None)
        if start is None:
            begun = watch.begin()
            self._note(state, "intent", begun.as_data())
        else:
            begun = Start.of(start)
            self._world.share(state.name, shares)
        return watch.watch(self._world, begun, self._grants(facts).get(WATCH))

    def _wanted_stop(self) -> approvals.Grant | None:
        self._held.check()
        return approvals.stopped(self._entries())

    def _record(self, state: State, ended: Ended) -> State:
        following = self._course().after(state, ended.result)
        over = str(following.step) if following.ended else None
        kind: Kind = "done" if ended.result in GOOD else "failed"
        data = {"result": str(ended.result), "sentence": ended.sentence, **ended.data}
        self._note(state, kind, data, ended=over)
        self._with.listen(Moment(state.name, "ended", ended.sentence, {"result": str(ended.result)}))
        return following

    def _note(self, state: State, kind: Kind, data: Mapping[str, Any], ended: str | None = None) -> None:
        digest = "" if self._facts is None else self._facts.candidate.digest
        epoch = self._held.epoch
        self._with.journal.append(self._deployment.id, state.name, kind, data, epoch=epoch, digest=digest, ended=ended)
