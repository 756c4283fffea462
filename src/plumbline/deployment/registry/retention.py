"""What may go: never what an alias points at, what was promoted lately, or anything while a deployer is at work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, desc, select, update

from plumbline.deployment.registry.aliases import aliases
from plumbline.deployment.registry.blobs import LEFT_OVER_S, Blobs
from plumbline.deployment.registry.database import Database
from plumbline.deployment.registry.leases import held
from plumbline.deployment.registry.records import newest
from plumbline.deployment.registry.tables import FILES, MOVES, VERSIONS

WEEK_S = 7 * 86400.0
"""A version younger than this may still be on its way to production."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept beside what aliases point at and each model's highest version.

    Args:
        keep_promoted: How many versions that an alias pointed at last, per alias; at least 1.
        younger_than_s: All that were registered in the last so many seconds.
    """

    keep_promoted: int
    younger_than_s: float


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection took, or would take.

    Args:
        versions: `(model, version)` of each; what the registry knows of them stays.
        blobs: Digests of the files that nothing needs any more.
        size: Of these files together, in bytes.
        kept: Models of which nothing was taken because a deployment is running, with its holder.
    """

    versions: tuple[tuple[str, str], ...]
    blobs: tuple[str, ...]
    size: int
    kept: dict[str, str]


def collect(database: Database, blobs: Blobs, rule: Rule, now: float, *, dry_run: bool) -> Collected:
    """Mark versions as collected, then delete what no version needs. After a crash the next one goes on.

    The blobs go under the lock that a registration holds when it looks whether they are there.
    """
    if dry_run:
        with database.reading() as connection:
            going, kept = _going(connection, rule, now)
            orphans = _orphans(connection, blobs, going, now)
            return Collected(going, orphans, sum(_size(blobs, one) for one in orphans), kept)
    with database.writing() as connection:
        going, kept = _going(connection, rule, now)
        for model, version in going:
            here = (VERSIONS.c.model == model) & (VERSIONS.c.version == version)
            connection.execute(update(VERSIONS).where(here).values(collected_at=now))
    with database.writing() as connection:
        orphans = _orphans(connection, blobs, (), now)
        size = sum(blobs.delete(one) for one in orphans)
    blobs.sweep(now)
    return Collected(going, orphans, size, kept)


def _going(connection: Connection, rule: Rule, now: float) -> tuple[tuple[tuple[str, str], ...], dict[str, str]]:
    going: list[tuple[str, str]] = []
    kept: dict[str, str] = {}
    old = (VERSIONS.c.collected_at.is_(None)) & (VERSIONS.c.registered_at < now - rule.younger_than_s)
    for model in connection.execute(select(VERSIONS.c.model).distinct().order_by(VERSIONS.c.model)).scalars():
        lease = held(connection, model, now)
        if lease is not None:
            kept[model] = lease.holder
            continue
        needed = _needed(connection, model, rule.keep_promoted)
        rows = connection.execute(select(VERSIONS.c.version).where(VERSIONS.c.model == model, old)).scalars()
        going += [(model, version) for version in sorted(rows) if version not in needed]
    return tuple(going), kept


def _needed(connection: Connection, model: str, keep: int) -> set[str]:
    pointed = aliases(connection, model)
    last = newest(connection, model)
    needed = {*pointed.values(), *([last.version] if last else [])}
    named = connection.execute(select(MOVES.c.alias).where(MOVES.c.model == model).distinct()).scalars().all()
    for alias in named:
        moves = select(MOVES.c.target).where(MOVES.c.model == model, MOVES.c.alias == alias).order_by(desc(MOVES.c.id))
        promoted = dict.fromkeys(one for one in connection.execute(moves).scalars() if one is not None)
        needed |= set(list(promoted)[:keep])
    return needed


def _orphans(connection: Connection, blobs: Blobs, going: Iterable[tuple[str, str]], now: float) -> tuple[str, ...]:
    """Return the blobs that no version needs: of collected ones at once, others when surely nobody writes them."""
    gone = set(going)
    joined = select(FILES.c.digest, VERSIONS.c.model, VERSIONS.c.version, VERSIONS.c.collected_at).join(
        VERSIONS, (VERSIONS.c.model == FILES.c.model) & (VERSIONS.c.version == FILES.c.version)
    )
    needed: set[str] = set()
    left: set[str] = set()
    for row in connection.execute(joined):
        away = row.collected_at is not None or (row.model, row.version) in gone
        (left if away else needed).add(row.digest)
    return tuple(
        one for one in blobs.all() if one not in needed and (one in left or blobs.age_s(one, now) > LEFT_OVER_S)
    )


def _size(blobs: Blobs, digest: str) -> int:
    path = blobs.path(digest)
    return path.stat().st_size if path.is_file() else 0
