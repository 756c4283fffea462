"""States of a deployment and the ways between them. Pure: what was journalled goes in, what comes next goes out."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from plumbline.deployment.core.errors import InvalidError


class Step(enum.StrEnum):
    """What a deployment does next, or how it ended."""

    BUILD = "build"
    TEST = "test"
    GATES = "gates"
    APPROVAL = "approval"
    PREPARE = "prepare"
    SHIFT = "shift"
    WATCH = "watch"
    PROMOTE = "promote"
    SETTLE = "settle"
    ROLL_BACK = "roll-back"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    REJECTED = "rejected"


ENDS = frozenset({Step.PROMOTED, Step.ROLLED_BACK, Step.REJECTED})
UNTOUCHED = frozenset({Step.BUILD, Step.TEST, Step.GATES, Step.APPROVAL})
"""Steps before which no server has heard of the candidate: a deployment that fails there is rejected, not undone."""


class Result(enum.StrEnum):
    """How a step ended.

    OVERRIDDEN is a failed or inconclusive one that a person answers for: it goes on, and never reads as OK. SAME says
    that the candidate is what production points at already.
    """

    OK = "ok"
    OVERRIDDEN = "overridden"
    SAME = "same"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ABORTED = "aborted"


GOOD = frozenset({Result.OK, Result.OVERRIDDEN, Result.SAME})


@dataclass(frozen=True, slots=True)
class State:
    """Where a deployment stands.

    Args:
        step: What comes next, or the end.
        stage: Number of the stage from 0, for `shift` and `watch`.
    """

    step: Step
    stage: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self.step in ENDS

    @property
    def name(self) -> str:
        """The step as the journal has it: `shift:0`."""
        return f"{self.step}:{self.stage}" if self.step in (Step.SHIFT, Step.WATCH) else str(self.step)


@dataclass(frozen=True, slots=True)
class Course:
    """Which steps a deployment takes.

    Args:
        stages: Number of watched stages; 0 for none.
        approval: Whether a person may have to approve.
        unsure: Whether gates that could not tell go to that person, who then answers for it.
        rollback: Whether it takes a version that is built and proven already.
    """

    stages: int = 1
    approval: bool = False
    unsure: bool = False
    rollback: bool = False

    @property
    def start(self) -> State:
        """Where it begins."""
        return State(Step.PREPARE if self.rollback else Step.BUILD)

    def after(self, state: State, result: Result) -> State:
        """Return the state that follows.

        Raises:
            InvalidError: There is no such way.
        """
        if state.ended or (result is Result.SAME and state.step is not Step.BUILD):
            raise InvalidError(f"after '{state.name}' nothing can be '{result}'", step=state.name, result=str(result))
        if state.step is Step.SETTLE:
            return State(Step.PROMOTED)  # the pointer has moved: what could not be tidied up is said, not undone
        if state.step is Step.ROLL_BACK:
            return State(Step.ROLLED_BACK) if result in GOOD else state
        if state.step is Step.GATES and result is Result.INCONCLUSIVE and self.unsure:
            return State(Step.APPROVAL)
        if result not in GOOD:
            return State(Step.REJECTED if state.step in UNTOUCHED else Step.ROLL_BACK)
        return State(Step.PROMOTE) if result is Result.SAME else self._next(state)

    def _next(self, state: State) -> State:
        match state.step:
            case Step.BUILD:
                return State(Step.TEST)
            case Step.TEST:
                return State(Step.GATES)
            case Step.GATES:
                return State(Step.APPROVAL if self.approval else Step.PREPARE)
            case Step.APPROVAL:
                return State(Step.PREPARE)
            case Step.PREPARE:
                return State(Step.SHIFT) if self.stages else State(Step.PROMOTE)
            case Step.SHIFT:
                return State(Step.WATCH, state.stage)
            case Step.WATCH:
                return State(Step.SHIFT, state.stage + 1) if state.stage + 1 < self.stages else State(Step.PROMOTE)
            case _:
                return State(Step.SETTLE)

    def fold(self, results: Iterable[tuple[str, str]]) -> State:
        """Return where a deployment stands.

        Args:
            results: Name of the step and result of each step that ended, in order.

        Raises:
            InvalidError: The journal tells of a way that does not exist.
        """
        state = self.start
        for name, result in results:
            if name != state.name:
                raise InvalidError(f"the journal has '{name}' where '{state.name}' was due", step=name, due=state.name)
            state = self.after(state, Result(result))
        return state
