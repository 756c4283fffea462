"""Gate `rehearsal`: the way to the candidate and back, walked on a staging twin before production walks it.

A twin is a lane of its own with servers that no caller knows, and a way to ask them. What is found out: the switch
works, the answers after it are the candidate's, the way back works and gives the answers from before; and production's
version (N-1, after the promotion) can still serve what callers send today.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from pydantic import ConfigDict, Field

from plumbline.deployment.core.contract import Bump, bump_of, compare
from plumbline.deployment.core.digests import short
from plumbline.deployment.core.errors import DeploymentError, UnavailableError
from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.lanes import Lane
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline.closed import CLOSED, Count, settings
from plumbline.deployment.pipeline.gates.callers import filled, refusals, refused, rows_of
from plumbline.deployment.pipeline.gates.parity import worst
from plumbline.deployment.pipeline.gates.provenance import bytes_of
from plumbline.deployment.pipeline.gates.rows import golden_answers, golden_rows
from plumbline.deployment.pipeline.gates.signature import callers


@dataclass(frozen=True, slots=True)
class Answer:
    """What a twin's server answered.

    Args:
        digest: Of the version that answered, as the server says.
        outputs: By name, `(n_rows, *shape)`.
    """

    digest: str
    outputs: Arrays


class Twin(Protocol):
    """Staging servers of one's own."""

    @property
    def lane(self) -> Lane:
        """How versions come to serve on them."""
        ...

    @property
    def epoch(self) -> int:
        """Fencing epoch of the rehearsal."""
        ...

    def ask(self, inputs: Arrays) -> Answer:
        """Send one request as a caller does, without a second try.

        Raises:
            DeploymentError: It failed.
        """
        ...


MakeTwin = Callable[[Situation], AbstractContextManager[Twin]]
"""Starts a twin that can load both sides, and takes it away again."""


@dataclass(frozen=True, slots=True)
class RehearsalSettings:
    """Settings of the gate `rehearsal`.

    Args:
        requests: Golden requests sent on each leg of the way.
        refused: Share of recent requests that production's version may refuse after the way back.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    requests: Count = 20
    refused: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The gate.

    Args:
        twin: Makes a staging twin; without one nothing can be rehearsed.
        clock: In seconds.
    """

    twin: MakeTwin | None = None
    clock: Callable[[], float] = time.perf_counter

    def __call__(self, situation: Situation) -> Iterator[Verdict]:
        """Walk the way and back; then ask whether the version one would go back to can serve today's callers."""
        chosen = settings(RehearsalSettings, situation.settings, "gate rehearsal")
        if situation.production is not None:
            target = bytes_of("rehearsal/target", situation.production)
            if not target.passed:
                yield target
                return
        if self.twin is None:
            yield Verdict("rehearsal", Outcome.INCONCLUSIVE, "there is no staging twin to rehearse on")
            return
        with self.twin(situation) as twin:
            yield _Walk(twin, situation, chosen.requests, self.clock).verdict()
        if situation.production is not None:
            yield still_serves(situation, situation.production, chosen.refused)


class _StepError(Exception):
    """A leg of the way that failed; the sentence says which."""


class _Walk:
    """One rehearsal: there, and back."""

    def __init__(self, twin: Twin, situation: Situation, requests: int, clock: Callable[[], float]) -> None:
        self.twin = twin
        self.situation = situation
        self.requests = requests
        self.clock = clock
        self.measured: dict[str, Any] = {"requests": 0, "failed": 0, "stale": 0}

    def verdict(self) -> Verdict:
        try:
            sentence = self._first() if self.situation.production is None else self._there_and_back()
        except UnavailableError as error:
            return Verdict("rehearsal", Outcome.INCONCLUSIVE, f"the staging twin: {error.sentence}", self.measured)
        except _StepError as error:
            return Verdict("rehearsal", Outcome.FAIL, str(error), self.measured)
        return Verdict("rehearsal", Outcome.PASS, sentence, self.measured)

    def _first(self) -> str:
        candidate = self.situation.candidate
        self._switch("the candidate", candidate)
        self._same("the candidate's golden answers", golden_answers(candidate.manifest.golden), self._asked(candidate))
        return (
            f"switched to the candidate: {self.measured['requests']} golden answers right; "
            "a first deployment has no version to go back to"
        )

    def _there_and_back(self) -> str:
        candidate, production = self.situation.candidate, self.situation.production
        if production is None:  # pragma: no cover - the caller has looked
            raise AssertionError
        self._switch("production's version", production)
        before = self._asked(production)
        self._same("production's golden answers", golden_answers(production.manifest.golden), before, production)
        there_s = self._switch("the candidate", candidate)
        self._same("the candidate's golden answers", golden_answers(candidate.manifest.golden), self._asked(candidate))
        back_s = self._switch("production's version again", production)
        self._same("the answers from before the switch", before, self._asked(production), production)
        self._command("letting go of the candidate", lambda: self._retire(candidate))
        self.measured |= {"switch_s": there_s, "rollback_s": back_s}
        return (
            f"there in {there_s * 1e3:.0f} ms and back in {back_s * 1e3:.0f} ms; {self.measured['requests']} golden "
            "requests, none failed or stale, answers after the way back as before"
        )

    def _retire(self, side: Side) -> None:
        if side.model.digest != getattr(self.situation.production, "model", side.model).digest:
            self.twin.lane.retire(side.model.digest, epoch=self.twin.epoch)

    def _switch(self, name: str, side: Side) -> float:
        digest, lane, epoch = side.model.digest, self.twin.lane, self.twin.epoch
        self._command(f"preparing {name}", lambda: lane.prepare(digest, epoch=epoch))
        started = self.clock()
        self._command(f"switching to {name}", lambda: lane.share({digest: 1.0}, epoch=epoch))
        return self.clock() - started

    def _command(self, name: str, command: Callable[[], None]) -> None:
        try:
            command()
        except UnavailableError:
            raise
        except DeploymentError as error:
            raise _StepError(f"{name} failed on the staging twin: {error.sentence}") from error

    def _asked(self, side: Side) -> Arrays:
        """Return the last golden answers of the version that should serve now; all requests must be answered by it."""
        rows = golden_rows(side.manifest.signature, side.manifest.golden)
        answer: Answer | None = None
        for _ in range(self.requests):
            self.measured["requests"] += 1
            try:
                answer = self.twin.ask(rows)
            except DeploymentError as error:
                self.measured["failed"] += 1
                raise _StepError(f"a request failed on the staging twin: {error.sentence}") from error
            if answer.digest != side.model.digest:
                self.measured["stale"] += 1
                expected, found = short(side.model.digest), short(answer.digest)
                raise _StepError(f"after the switch to {expected} a request was answered by {found}")
        return answer.outputs if answer is not None else {}

    def _same(self, what: str, expected: Arrays, answered: Arrays, side: Side | None = None) -> None:
        tolerance = (side or self.situation.candidate).manifest.golden.tolerance
        found = worst(expected, answered)
        for name, largest in found.items():
            if not largest <= tolerance:
                raise _StepError(f"output '{name}' differs from {what} by {largest:.2g} (at most {tolerance:g})")


def still_serves(situation: Situation, target: Side, allowed: float) -> Verdict:
    """Return whether the version one would go back to can serve today's callers.

    Recent requests decide, if there are any: it must take them and answer each with finite numbers. Otherwise the
    contracts do: when the older one takes all that the candidate's takes, nobody can have moved out of its reach.
    """
    gate = "rehearsal/callers"
    if situation.recent is None:
        changes = compare(situation.candidate.manifest.signature, target.manifest.signature)
        if bump_of(changes) is Bump.MAJOR:
            worst_change = max(changes, key=lambda change: change.bump)
            sentence = (
                "no recent requests were recorded, and on paper the way back could break callers: "
                f"{worst_change.where} {worst_change.sentence}"
            )
            return Verdict(gate, Outcome.INCONCLUSIVE, sentence, {"rows": 0})
        sentence = f"{target.version or 'production'} takes everything that the candidate takes"
        return Verdict(gate, Outcome.PASS, sentence, {"rows": 0})
    taken = callers(gate, target, situation.recent, allowed)
    if not taken.passed:
        return taken
    signature = target.manifest.signature
    known = {name: values for name, values in situation.recent.items() if signature.feature(name) is not None}
    kept = ~refused(refusals(signature, known), rows_of(known))
    rows = filled(signature, {name: values[kept] for name, values in known.items()})
    for name, values in target.model.predict(rows).items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            sentence = f"{target.version or 'production'} gives answers that are not finite (output '{name}')"
            return Verdict(gate, Outcome.FAIL, sentence, taken.measured)
    return taken
