"""Reads everything again and says which file of which version is not what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.errors import CorruptError, DeploymentError, NotFoundError
from plumbline.deployment.registry.blobs import Blobs
from plumbline.deployment.registry.records import stored
from plumbline.deployment.registry.tables import VERSIONS


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not what it was.

    Args:
        model: Whose.
        version: Which.
        path: File inside the artefact; None for the manifest itself.
        reason: `corrupt` or `not_found`.
        sentence: What was found, and what to do.
    """

    model: str
    version: str
    path: str | None
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was read and what was found.

    Args:
        versions: How many were checked; collected ones have no files to check.
        blobs: How many different files were read.
        size: Bytes that were read.
        damages: Empty if all is well.
    """

    versions: int
    blobs: int
    size: int
    damages: tuple[Damage, ...]


def kept(connection: Connection, model: str | None) -> tuple[Row[Any], ...]:
    """Return the versions whose files must be there, of a model or of all."""
    asked = (
        select(VERSIONS).where(VERSIONS.c.collected_at.is_(None)).order_by(VERSIONS.c.model, VERSIONS.c.registered_at)
    )
    if model is not None:
        asked = asked.where(VERSIONS.c.model == model)
    return tuple(connection.execute(asked))


def verify(blobs: Blobs, versions: tuple[Row[Any], ...]) -> Verification:
    """Read every manifest, and every file once.

    Args:
        blobs: Where the files are.
        versions: Rows of `kept`.
    """
    read: dict[str, int | DeploymentError] = {}
    damages: list[Damage] = []
    for row in versions:
        if digest_of(row.manifest.encode()) != row.digest:
            said = (
                f"{row.model} {row.version}: its manifest is not the one that {row.digest} names; restore the database"
            )
            damages.append(Damage(row.model, row.version, None, CorruptError.reason, said))
            continue
        for file in stored(row).manifest.files:
            if file.digest not in read:
                read[file.digest] = _read(blobs, file.digest)
            result = read[file.digest]
            if isinstance(result, DeploymentError):
                said = f"{row.model} {row.version}, file '{file.path}': {result.sentence}"
                damages.append(Damage(row.model, row.version, file.path, result.reason, said))
    sizes = [result for result in read.values() if isinstance(result, int)]
    return Verification(len(versions), len(read), sum(sizes), tuple(damages))


def _read(blobs: Blobs, digest: str) -> int | DeploymentError:
    try:
        return blobs.verify(digest)
    except (CorruptError, NotFoundError) as error:
        return error
