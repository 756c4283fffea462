"""The journal: what each deployment meant to do and did, in order, on the disk before anything follows from it.

An `intent` is written before an effect, `done` or `failed` after it. Who finds an intent without an end does not know
whether the effect happened, and asks the world.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from plumbline.deployment.core.errors import ConflictError, FencedError, NotFoundError
from plumbline.deployment.pipeline.ledger import DEPLOYMENTS, ENTRIES, Ledger
from plumbline.deployment.pipeline.plan import Plan

Kind = Literal["intent", "done", "failed", "note"]
"""`note` is what people say to a deployment: approvals, overrides, requests to stop. Notes carry no epoch."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal.

    Args:
        deployment: Id of the deployment.
        seq: Number of the line, from 1, without gaps.
        step: What it is about: `gates`, `shift:0`.
        kind: Before an effect, after it, or a note.
        epoch: Fencing epoch of the deployer; 0 for notes.
        digest: The candidate, once it is known; else empty.
        at: Unix time in seconds; `seq` says the order.
        data: What was measured, and why.
    """

    deployment: str
    seq: int
    step: str
    kind: Kind
    epoch: int
    digest: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as it began.

    Args:
        id: Its name: the model's and a number.
        plan: What it is to do.
        at: When it began, Unix time in seconds.
        ended: `promoted`, `rolled-back` or `rejected`; None while it is not over.
    """

    id: str
    plan: Plan
    at: float
    ended: str | None


class Journal:
    """Several processes may use one journal.

    Args:
        url: A file for SQLite, or `postgresql://…`.
        clock: Unix time in seconds.
        read_only: Change nothing, and make nothing: one that is not there yet holds no deployment.

    Raises:
        UnavailableError: It cannot be opened.
    """

    def __init__(self, url: str | Path, clock: Callable[[], float] = time.time, *, read_only: bool = False) -> None:
        self._clock = clock
        self._ledger = Ledger(str(url), read_only=read_only)

    def begin(self, plan: Plan, note: tuple[str, Mapping[str, Any]] | None = None) -> Deployment:
        """Write down a new deployment and return it.

        Args:
            plan: What is wanted.
            note: Its first line, a step and its data, written with it: nobody sees the one without the other.
        """
        with self._ledger.writing() as connection:
            number = (connection.execute(select(func.max(DEPLOYMENTS.c.number))).scalar() or 0) + 1
            one = Deployment(f"{plan.model}-{number}", plan, self._clock(), None)
            text = msgspec.json.encode(plan).decode()
            row = {"id": one.id, "model": plan.model, "plan": text, "at": one.at, "number": number}
            connection.execute(insert(DEPLOYMENTS).values(row))
            if note is not None:
                _insert(connection, Entry(one.id, 1, note[0], "note", 0, "", one.at, note[1]))
        return one

    def append(
        self,
        deployment: str,
        step: str,
        kind: Kind,
        data: Mapping[str, Any],
        *,
        epoch: int = 0,
        digest: str = "",
        ended: str | None = None,
    ) -> Entry:
        """Write one line; it is on the disk when this returns.

        Args:
            deployment: Id.
            step: Name of the step.
            kind: Of the line.
            data: Values that JSON can hold.
            epoch: The deployer's; ignored for notes.
            digest: The candidate's.
            ended: How the deployment ended, if this line ends it.

        Raises:
            FencedError: A deployer with a newer epoch has written.
            ConflictError: The deployment is over.
        """
        with self._ledger.writing() as connection:
            lines = ENTRIES.c
            where = lines.deployment == deployment
            last, newest = connection.execute(select(func.max(lines.seq), func.max(lines.epoch)).where(where)).one()
            if kind != "note":
                _writable(connection, deployment, epoch, newest or 0)
            at = self._clock()
            entry = Entry(deployment, (last or 0) + 1, step, kind, 0 if kind == "note" else epoch, digest, at, data)
            _insert(connection, entry)
            if ended is not None:
                change = update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment).values(ended=ended)
                connection.execute(change)
        return entry

    def get(self, deployment: str) -> Deployment:
        """Return a deployment.

        Raises:
            NotFoundError: There is none of that id.
        """
        found = self._deployments(DEPLOYMENTS.c.id == deployment)
        if not found:
            raise NotFoundError(f"there is no deployment '{deployment}'; `plumb deployments` lists them", id=deployment)
        return found[0]

    def deployments(self, model: str | None = None, *, running: bool = False) -> list[Deployment]:
        """Return deployments, the newest first.

        Args:
            model: Only of this model.
            running: Only those that are not over.
        """
        wanted = [] if model is None else [DEPLOYMENTS.c.model == model]
        return self._deployments(*wanted, *([DEPLOYMENTS.c.ended.is_(None)] if running else []))

    def entries(self, deployment: str) -> list[Entry]:
        """Return a deployment's lines, in order."""
        query = select(ENTRIES).where(ENTRIES.c.deployment == deployment).order_by(ENTRIES.c.seq)
        with self._ledger.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [Entry(**{**row, "data": json.loads(row["data"])}) for row in rows]

    def close(self) -> None:
        """Close all connections."""
        self._ledger.close()

    def _deployments(self, *wanted: Any) -> list[Deployment]:
        if self._ledger.empty:
            return []
        query = select(DEPLOYMENTS).where(*wanted).order_by(DEPLOYMENTS.c.number.desc())
        with self._ledger.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Deployment(row["id"], msgspec.json.decode(row["plan"], type=Plan), row["at"], row["ended"]) for row in rows
        ]


def _insert(connection: Connection, entry: Entry) -> None:
    row = {name: getattr(entry, name) for name in ENTRIES.columns.keys()}  # noqa: SIM118 - no mapping
    connection.execute(insert(ENTRIES).values({**row, "data": msgspec.json.encode(entry.data).decode()}))


def _writable(connection: Connection, deployment: str, epoch: int, newest: int) -> None:
    row = connection.execute(select(DEPLOYMENTS.c.ended).where(DEPLOYMENTS.c.id == deployment)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no deployment '{deployment}'", id=deployment)
    if epoch < newest:
        raise FencedError(
            f"deployment '{deployment}' is in other hands: epoch {newest} has written, this deployer has {epoch}",
            epoch=epoch,
            newest=newest,
        )
    if row.ended is not None:
        raise ConflictError(f"deployment '{deployment}' is over: {row.ended}", id=deployment, ended=row.ended)
