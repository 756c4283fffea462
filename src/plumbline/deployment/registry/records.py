"""Rows of the registry as values, and how a reference finds its version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, desc, select

from plumbline.deployment.core.contract import Bump, Change
from plumbline.deployment.core.encoding import decode
from plumbline.deployment.core.errors import InvalidError, NotFoundError
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.registry.tables import ALIASES, VERSIONS

MIN_DIGITS = 6
"""Fewest hexadecimal digits of a digest that stand for it."""

NUMBERED = (VERSIONS.c.major, VERSIONS.c.minor, VERSIONS.c.patch)


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering gave.

    Args:
        version: Its number.
        digest: Of its manifest: its identity.
        bump: How much it rose; MAJOR for a model's first.
        changes: Why: every difference to `against` that a caller could notice.
        against: Version it was compared with; None for a model's first.
        fresh: False if this very artefact had been registered before.
    """

    version: str
    digest: str
    bump: Bump
    changes: tuple[Change, ...]
    against: str | None = None
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Stored:
    """A version as the registry keeps it.

    Args:
        manifest: Its files, contract, golden rows, lineage, metrics and card.
        version: Its number.
        digest: Of its manifest.
        registered_at: Unix time in seconds.
        by: Who registered it.
        bump: How much it rose over `against`.
        against: Version it was compared with; None for a model's first.
        changes: Every difference that was found.
        evidence: What was asked of both models and what they answered.
        collected_at: When retention took its files, Unix time in seconds; None while they are there.
    """

    manifest: Manifest
    version: str
    digest: str
    registered_at: float
    by: str
    bump: Bump
    against: str | None
    changes: tuple[Change, ...]
    evidence: Mapping[str, Any]
    collected_at: float | None = None


def stored(row: Row[Any]) -> Stored:
    """Return a row of `versions` as a value."""
    where = f"{row.model} {row.version}"
    return Stored(
        decode(row.manifest, Manifest, f"{where}: manifest"),
        row.version,
        row.digest,
        row.registered_at,
        row.registered_by,
        Bump[row.bump],
        row.against,
        decode(row.changes, tuple[Change, ...], f"{where}: changes"),
        decode(row.evidence, dict[str, Any], f"{where}: evidence"),
        row.collected_at,
    )


def newest_first(model: str) -> Select[Any]:
    """Return the question for a model's versions, the highest first."""
    return select(VERSIONS).where(VERSIONS.c.model == model).order_by(*map(desc, NUMBERED))


def newest(connection: Connection, model: str) -> Stored | None:
    """Return a model's highest version, or None if it has none."""
    row = connection.execute(newest_first(model).limit(1)).first()
    return None if row is None else stored(row)


def found(connection: Connection, model: str, ref: str) -> Stored:
    """Return the version that a reference means.

    Args:
        connection: One that reads.
        model: The model's name.
        ref: A version, an alias, or `sha256:` with the first digits of a manifest's digest.

    Raises:
        NotFoundError: There is none.
        InvalidError: Several digests begin so, or too few digits were given.
    """
    versions = select(VERSIONS).where(VERSIONS.c.model == model)
    if ref.startswith("sha256:"):
        return _by_digest(connection, model, ref)
    if ref[:1].isdigit():
        row = connection.execute(versions.where(VERSIONS.c.version == ref)).first()
    else:
        pointed = select(ALIASES.c.version).where(ALIASES.c.model == model, ALIASES.c.alias == ref)
        row = connection.execute(versions.where(VERSIONS.c.version == pointed.scalar_subquery())).first()
    if row is None:
        raise _missing(connection, model, ref)
    return stored(row)


def _by_digest(connection: Connection, model: str, ref: str) -> Stored:
    digits = ref.removeprefix("sha256:")
    if len(digits) < MIN_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise InvalidError(
            f"'{ref[:80]}': expected 'sha256:' and at least {MIN_DIGITS} hexadecimal digits", ref=ref[:80]
        )
    rows = connection.execute(newest_first(model).where(VERSIONS.c.digest.startswith(ref, autoescape=True))).all()
    if len(rows) > 1:
        which = " and ".join(row.version for row in rows)
        raise InvalidError(f"'{ref}' may be {which} of model '{model}': give more digits", ref=ref)
    if not rows:
        raise _missing(connection, model, ref)
    return stored(rows[0])


def known(connection: Connection, model: str) -> None:
    """Check that there is a model of that name.

    Raises:
        NotFoundError: There is none; the sentence says which there are.
    """
    if newest(connection, model) is None:
        models = connection.execute(select(VERSIONS.c.model).distinct().order_by(VERSIONS.c.model)).scalars().all()
        there = ", ".join(models[:10]) or "nothing yet"
        raise NotFoundError(f"no model '{model[:80]}' in the registry: it holds {there}", model=model[:80])


def _missing(connection: Connection, model: str, ref: str) -> NotFoundError:
    known(connection, model)
    versions = connection.execute(newest_first(model).limit(5)).all()
    aliases = connection.execute(select(ALIASES.c.alias).where(ALIASES.c.model == model).order_by(ALIASES.c.alias))
    there = ", ".join([*(row.version for row in versions), *aliases.scalars()])
    return NotFoundError(f"model '{model}' has no '{ref[:80]}': it has {there}", model=model, ref=ref[:80])
