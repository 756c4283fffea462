"""What is not over is brought to its end: after a crash, before a new deployment, and for a rollback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from plumbline.deployment.core.errors import ConflictError, InvalidError, NotFoundError
from plumbline.deployment.pipeline import approvals
from plumbline.deployment.pipeline.controller import Controller
from plumbline.deployment.pipeline.journal import Deployment, Journal
from plumbline.deployment.pipeline.machine import State
from plumbline.deployment.pipeline.plan import Plan
from plumbline.deployment.pipeline.ports import Registry
from plumbline.deployment.pipeline.presence import RUN, here, leave, running

STOP_S = 30.0
"""How long a rollback waits for a running deployment to undo itself: it asks at every look."""

Make = Callable[[Deployment], Controller]
"""Gives the controller for a deployment that is found: with its lane and its counts."""


class Move(Protocol):
    """One move of an alias, as the registry remembers it."""

    @property
    def alias(self) -> str:
        """The alias."""
        ...

    @property
    def source(self) -> str | None:
        """Version it pointed at before."""
        ...

    @property
    def target(self) -> str | None:
        """Version it pointed at from then on."""
        ...


class Aliased(Registry, Protocol):
    """A registry that remembers where its aliases pointed."""

    def history(self, model: str, alias: str | None = None, /) -> Sequence[Move]:
        """Return every move, the first one first."""
        ...


def resume(journal: Journal, model: str, make: Make) -> list[tuple[Deployment, State]]:
    """Go on with every deployment of a model that is not over and that no process runs.

    The journal says which step was begun; whether its effect happened, the lane and the registry are asked.

    Returns:
        Each with its end, or the state in which it waits for a person; the oldest first.

    Raises:
        ConflictError: A process is at work on one of them.
    """
    found = []
    for deployment in reversed(journal.deployments(model, running=True)):
        at_work = running(journal.entries(deployment.id))
        if at_work is not None:
            raise ConflictError(f"{at_work} is at work on '{deployment.id}'", id=deployment.id)
        found.append((deployment, make(deployment).run(deployment)))
    return found


def deploy(journal: Journal, plan: Plan, make: Make) -> tuple[Deployment, State]:
    """Bring what is not over to its end, then deploy.

    Raises:
        ConflictError: Another deployment is at work, or waits for approval.
    """
    for deployment, state in resume(journal, plan.model, make):
        if not state.ended:
            raise ConflictError(
                f"'{deployment.id}' waits for a person: plumb deployments approve {deployment.id}, or refuse it",
                id=deployment.id,
            )
    deployment = journal.begin(plan, (RUN, here()))  # so that nobody takes it for one that was left behind
    return deployment, _run(journal, deployment, make)


def roll_back(
    journal: Journal, registry: Registry, plan: Plan, make: Make, wait_s: float = STOP_S
) -> tuple[Deployment, State]:
    """Let the alias and the servers go back to a version. What is being deployed is stopped and undone first.

    Args:
        journal: Of all deployments.
        registry: Must have the version.
        plan: With `kind="rollback"`; see `target`.
        make: As in `resume`.
        wait_s: How long a running deployment may take to undo itself.

    Raises:
        ConflictError: It did not end in time.
        NotFoundError: There is no such version; nothing was touched.
    """
    registry.get(plan.model, plan.to)
    for deployment in journal.deployments(plan.model, running=True):
        approvals.stop(journal, deployment.id, by=plan.by, why=plan.why, now=time.time())
        if not _ended(journal, deployment.id, wait_s):
            make(deployment).run(deployment)
    deployment = journal.begin(plan, (RUN, here()))  # so that nobody takes it for one that was left behind
    return deployment, _run(journal, deployment, make)


def way_back(
    journal: Journal,
    registry: Aliased,
    model: str,
    *,
    by: str,
    why: str,
    alias: str = "production",
    to: str | None = None,
) -> Plan:
    """Return the plan of a rollback, by the lane of the model's last deployment.

    Args:
        journal: Of all deployments.
        registry: Has the alias and its history.
        model: Its name.
        by: Who wants it.
        why: The reason.
        alias: The alias that says what serves.
        to: Version or digest; the version that served before by default.

    Raises:
        NotFoundError: There is no such version, or none served before.
        InvalidError: Nothing serves.
    """
    before = next((one.plan for one in journal.deployments(model) if one.plan.lane is not None), None)
    try:
        wanted = to or target(registry.history(model), alias, registry.aliases(model).get(alias))
    except NotFoundError as error:
        for one in journal.deployments(model, running=True):
            hint = f"to take back {one.id}, which is under way: plumb deployments stop {one.id}"
            raise NotFoundError(
                f"{error.sentence}; {hint}, then plumb deploy PIPELINE --resume", **error.data
            ) from error
        raise
    version = registry.get(model, wanted).version
    lane, path = (None, "") if before is None else (before.lane, before.pipeline)
    return Plan(model, by, why, alias, "rollback", lane=lane, to=version, pipeline=path)


def _run(journal: Journal, deployment: Deployment, make: Make) -> State:
    try:
        controller = make(deployment)
    except Exception:
        leave(journal, deployment.id)
        raise
    return controller.run(deployment)


def _ended(journal: Journal, deployment: str, wait_s: float) -> bool:
    """Wait for a process that runs a deployment; return False if none does."""
    until = time.monotonic() + wait_s
    while (at_work := running(journal.entries(deployment))) is not None:
        if journal.get(deployment).ended is not None:
            return True
        if time.monotonic() >= until:
            raise ConflictError(
                f"{at_work} was asked to stop '{deployment}' {wait_s:g} s ago and has not", id=deployment
            )
        time.sleep(0.02)
    return journal.get(deployment).ended is not None


def target(moves: Iterable[Move], alias: str, current: str | None) -> str:
    """Return the version that served before the one that serves now, according to the alias' history.

    Going back twice goes back two versions: a rollback is no version of its own.

    Raises:
        NotFoundError: None served before.
        InvalidError: Nothing serves.
    """
    if current is None:
        raise InvalidError(f"'{alias}' points at nothing: there is nothing to roll back", alias=alias)
    stack: list[str] = []
    for one in moves:
        if one.alias == alias and one.target is not None:
            stack = stack[: stack.index(one.target)] if one.target in stack else stack
            stack.append(one.target)
    before = stack[: stack.index(current)] if current in stack else stack
    if not before:
        raise NotFoundError(f"no version served before {current}: name one with --to", alias=alias, current=current)
    return before[-1]
