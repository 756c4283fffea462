"""Leases: one deployer per model at a time, and an epoch that tells servers who was replaced (fencing)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, update

from plumbline.deployment.core.errors import ConflictError, FencedError, InvalidError
from plumbline.deployment.registry.tables import LEASES


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change what a model's servers serve, for a while.

    Args:
        model: The model's name.
        holder: Who has it: one deployment's name, not a person's, since a holder replaces itself at once.
        epoch: Higher than that of every lease before; servers refuse a lower one.
        expires_at: Unix time in seconds.
    """

    model: str
    holder: str
    epoch: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Holding:
    """The last lease of a model, running or not.

    Args:
        holder: Who has it, or had it last.
        epoch: Its epoch.
        taken_at: When it was taken or last renewed, Unix time in seconds.
        term_s: For how long, then.
        left_s: How long it runs; 0 or less: it is over.
    """

    holder: str
    epoch: int
    taken_at: float
    term_s: float
    left_s: float


def holding(connection: Connection, model: str, now: float) -> Holding | None:
    """Return the last lease of a model, or None if there never was one."""
    row = _row(connection, model)
    if row is None:
        return None
    return Holding(row.holder, row.epoch, row.taken_at, row.expires_at - row.taken_at, _left_s(row, now))


def held(connection: Connection, model: str, now: float) -> Lease | None:
    """Return the running lease of a model, or None."""
    row = _row(connection, model)
    return None if row is None or _left_s(row, now) <= 0 else Lease(model, row.holder, row.epoch, row.expires_at)


def lease(connection: Connection, model: str, holder: str, term: tuple[float, float], *, take_over: bool) -> Lease:
    """Give the lease to a holder, with a new epoch.

    Args:
        connection: The one that writes.
        model: The model's name.
        holder: Who wants it.
        term: Now and the end, Unix time in seconds.
        take_over: Take it from whoever has it: fencing stops them.

    Raises:
        ConflictError: Another holder's is running.
    """
    now, ends = term
    row = _row(connection, model)
    if row is not None and row.holder != holder and not take_over and (left := _left_s(row, now)) > 0:
        raise ConflictError(
            f"{model} is being deployed by {row.holder}, whose lease runs for {left:.0f} s more unless it is renewed. "
            "Wait, or take it over: its commands are refused from then on",
            model=model,
            holder=row.holder,
            left_s=round(left, 3),
        )
    epoch = 1 if row is None else row.epoch + 1
    values = {"holder": holder, "epoch": epoch, "taken_at": now, "expires_at": ends}
    if row is None:
        connection.execute(insert(LEASES).values(model=model, **values))
    else:
        connection.execute(update(LEASES).where(LEASES.c.model == model).values(**values))
    return Lease(model, holder, epoch, ends)


def prolong(connection: Connection, mine: Lease, term: tuple[float, float]) -> Lease:
    """Let a lease run until `term[1]`, also one that has run out and that nobody has taken.

    Raises:
        FencedError: Another has taken it.
    """
    current(connection, mine.model, mine.epoch)
    now, ends = term
    values = {"taken_at": now, "expires_at": ends}
    connection.execute(update(LEASES).where(LEASES.c.model == mine.model).values(**values))
    return Lease(mine.model, mine.holder, mine.epoch, ends)


def release(connection: Connection, mine: Lease) -> bool:
    """End a lease; the epoch stays. Returns False if another has taken it."""
    ended = update(LEASES).where(LEASES.c.model == mine.model, LEASES.c.epoch == mine.epoch).values(expires_at=0.0)
    return connection.execute(ended).rowcount == 1


def current(connection: Connection, model: str, epoch: int) -> None:
    """Check that an epoch is that of the last lease.

    Raises:
        FencedError: A later lease was given.
        InvalidError: No lease ever had it.
    """
    row = _row(connection, model)
    last = 0 if row is None else int(row.epoch)
    if epoch > last:
        raise InvalidError(f"epoch {epoch} of {model} was never given: the last is {last}", epoch=epoch, last=last)
    if row is not None and epoch < last:
        raise FencedError(
            f"epoch {epoch} of {model} is over: {row.holder} has taken over with epoch {last}",
            epoch=epoch,
            last=last,
            holder=row.holder,
        )


def _row(connection: Connection, model: str) -> Row[tuple[str, str, int, float, float]] | None:
    return connection.execute(select(LEASES).where(LEASES.c.model == model)).first()


def _left_s(row: Row[tuple[str, str, int, float, float]], now: float) -> float:
    """Return how long a lease runs; never longer than it was given for, though the clock was put back."""
    return min(float(row.expires_at) - now, float(row.expires_at) - float(row.taken_at))
