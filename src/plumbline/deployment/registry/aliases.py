"""Aliases move by compare-and-set, and every move is kept: who, when, why, from what to what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, desc, insert, select, update

from plumbline.deployment.core.errors import ConflictError, NotFoundError
from plumbline.deployment.registry.records import found
from plumbline.deployment.registry.tables import ALIASES, MOVES, VERSIONS

# Written once: building a statement anew costs SQLAlchemy more than executing it.
_HERE = (ALIASES.c.model == bindparam("of")) & (ALIASES.c.alias == bindparam("name"))
_STILL = _HERE & (ALIASES.c.version == bindparam("was"))
_POINTED = select(ALIASES.c.version).where(_HERE)
_SWAP = update(ALIASES).where(_STILL).values(version=bindparam("is"))
_AWAY = delete(ALIASES).where(_STILL)
_NEW = insert(ALIASES)
_KEPT = insert(MOVES)
_THERE = select(VERSIONS.c.version, VERSIONS.c.collected_at).where(
    VERSIONS.c.model == bindparam("of"), VERSIONS.c.version == bindparam("version")
)


@dataclass(frozen=True, slots=True)
class Moved:
    """One move of an alias.

    Args:
        id: Rises with every move of the registry: the order in which they happened, whatever the clocks said.
        model: The model's name.
        alias: The alias' name.
        source: Version it pointed at before; None: at nothing.
        target: Version it points at since; None: it was taken away.
        by: Who moved it.
        why: The reason that was given.
        epoch: Fencing epoch of the deployer; None for a move by hand.
        at: Unix time in seconds.
    """

    id: int
    model: str
    alias: str
    source: str | None
    target: str | None
    by: str
    why: str
    epoch: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants an alias moved, and what they believe it points at now."""

    alias: str
    expect: str | None
    by: str
    why: str
    epoch: int | None


def aliases(connection: Connection, model: str) -> dict[str, str]:
    """Return the version that each alias of a model points at, by alias."""
    rows = connection.execute(select(ALIASES).where(ALIASES.c.model == model).order_by(ALIASES.c.alias))
    return {row.alias: row.version for row in rows}


def history(connection: Connection, model: str, alias: str | None) -> tuple[Moved, ...]:
    """Return the moves of a model's aliases, or of one, in the order in which they happened."""
    moves = select(MOVES).where(MOVES.c.model == model).order_by(MOVES.c.id)
    if alias is not None:
        moves = moves.where(MOVES.c.alias == alias)
    return tuple(_moved(row) for row in connection.execute(moves))


def move(connection: Connection, model: str, to: str | None, wish: Wish, now: float) -> Moved:
    """Point an alias somewhere else, if it points where the mover believes.

    Args:
        connection: The one that writes.
        model: The model's name.
        to: Reference of the version; None takes the alias away.
        wish: What is wanted and believed.
        now: Unix time in seconds.

    Raises:
        ConflictError: It points elsewhere; the sentence says who moved it and when.
        NotFoundError: There is no such version, or its files were collected.
    """
    target = None if to is None else _target(connection, model, to)
    here = {"of": model, "name": wish.alias}
    if wish.expect is None:
        source = connection.execute(_POINTED, here).scalar()
        if source is not None:
            raise _lost(connection, model, wish, source)
        if target is not None:
            connection.execute(_NEW, {"model": model, "alias": wish.alias, "version": target})
    else:
        change = _AWAY if target is None else _SWAP
        if connection.execute(change, {**here, "was": wish.expect, "is": target}).rowcount != 1:
            raise _lost(connection, model, wish, connection.execute(_POINTED, here).scalar())
    done = {"model": model, "alias": wish.alias, "source": wish.expect, "target": target, "moved_by": wish.by}
    key = connection.execute(_KEPT, done | {"why": wish.why, "epoch": wish.epoch, "moved_at": now}).inserted_primary_key
    number = 0 if key is None else int(key[0])
    return Moved(number, model, wish.alias, wish.expect, target, wish.by, wish.why, wish.epoch, now)


def _target(connection: Connection, model: str, ref: str) -> str:
    """Return the version that a reference means; one that is named in full costs no reading of its manifest."""
    row = connection.execute(_THERE, {"of": model, "version": ref}).first()
    one = found(connection, model, ref) if row is None else row
    version, collected_at = one.version, one.collected_at
    if collected_at is not None:
        raise NotFoundError(
            f"{model} {version}: its files were collected on {_day(collected_at)}; register it again",
            model=model,
            version=version,
        )
    return str(version)


def _lost(connection: Connection, model: str, wish: Wish, found: str | None) -> ConflictError:
    last = select(MOVES).where(MOVES.c.model == model, MOVES.c.alias == wish.alias).order_by(desc(MOVES.c.id)).limit(1)
    row = connection.execute(last).first()
    said = f"alias '{wish.alias}' of {model} points at {found or 'nothing'}, not at {wish.expect or 'nothing'}"
    data: dict[str, Any] = {"model": model, "alias": wish.alias, "expected": wish.expect, "found": found}
    if row is not None:
        said += f": {row.moved_by} moved it on {_moment(row.moved_at)} ({row.why})"
        data |= {"moved_by": row.moved_by, "moved_at": row.moved_at}
    return ConflictError(f"{said}. Look at it again, then decide", **data)


def _moved(row: Row[Any]) -> Moved:
    return Moved(row.id, row.model, row.alias, row.source, row.target, row.moved_by, row.why, row.epoch, row.moved_at)


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d at %H:%M:%S} UTC"
