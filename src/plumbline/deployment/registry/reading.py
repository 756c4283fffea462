"""What a registry tells: versions by number, alias or digest, where aliases point, whether all files are whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import select

from plumbline.deployment.core.errors import NotFoundError
from plumbline.deployment.registry import aliases, integrity, leases, signatures
from plumbline.deployment.registry.aliases import Moved
from plumbline.deployment.registry.blobs import Blobs
from plumbline.deployment.registry.database import Database
from plumbline.deployment.registry.folders import laid_out
from plumbline.deployment.registry.integrity import Verification
from plumbline.deployment.registry.leases import Lease
from plumbline.deployment.registry.records import Stored, found, known, newest_first, stored
from plumbline.deployment.registry.tables import VERSIONS


class Reader:
    """The part of a registry that changes nothing.

    Args:
        database: Where it remembers.
        blobs: Where the files are.
        clock: Unix time in seconds.
    """

    def __init__(self, database: Database, blobs: Blobs, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.blobs = blobs
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self.database.close()

    def get(self, model: str, ref: str) -> Stored:
        """Return a version.

        Args:
            model: The model's name.
            ref: A version (`1.2.0`), an alias (`production`), or `sha256:` with the first digits of its digest.

        Raises:
            NotFoundError: There is none; the sentence says which there are.
            InvalidError: Several digests begin so.
        """
        with self.database.reading() as connection:
            return found(connection, model, ref)

    def models(self) -> tuple[str, ...]:
        """Return the names of all models."""
        with self.database.reading() as connection:
            return tuple(connection.execute(select(VERSIONS.c.model).distinct().order_by(VERSIONS.c.model)).scalars())

    def versions(self, model: str) -> tuple[Stored, ...]:
        """Return a model's versions, the highest first; none if there is no such model."""
        with self.database.reading() as connection:
            return tuple(stored(row) for row in connection.execute(newest_first(model)))

    def materialise(self, model: str, ref: str, folder: Path) -> Path:
        """Lay out a version: its files (copies, each checked), `plumbline.json` (its manifest) and its signatures.

        Args:
            model: The model's name.
            ref: As for `get`.
            folder: Appears whole or not at all; one that holds this version already stays.

        Raises:
            NotFoundError: There is no such version, or its files were collected.
            CorruptError: A file was altered; the sentence names it.
            ConflictError: The folder holds something else.
            FullError: The disk is full.
            UnavailableError: The folder cannot be written.
        """
        with self.database.reading() as connection:
            one = found(connection, model, ref)
            signed = signatures.bundles(connection, model, one.version)
        if one.collected_at is not None:
            raise NotFoundError(
                f"{model} {one.version}: its files were collected; register it again", model=model, version=one.version
            )
        return laid_out(self.blobs, one.manifest, signed, folder)

    def aliases(self, model: str) -> dict[str, str]:
        """Return the version that each alias points at, by alias."""
        with self.database.reading() as connection:
            return aliases.aliases(connection, model)

    def history(self, model: str, alias: str | None = None) -> tuple[Moved, ...]:
        """Return every move of a model's aliases, or of one, in the order in which they happened."""
        with self.database.reading() as connection:
            return aliases.history(connection, model, alias)

    def leased(self, model: str) -> Lease | None:
        """Return the running lease of a model, or None."""
        with self.database.reading() as connection:
            return leases.held(connection, model, self._clock())

    def verify(self, model: str | None = None) -> Verification:
        """Read every manifest and file of a model, or of all, and say which is not what it was.

        Raises:
            NotFoundError: There is no such model.
        """
        with self.database.reading() as connection:
            if model is not None:
                known(connection, model)
            rows = integrity.kept(connection, model)
        return integrity.verify(self.blobs, rows)

    def signed_by(self, model: str, ref: str) -> tuple[str, ...]:
        """Return the digests of the public keys whose holders signed a version.

        Raises:
            NotFoundError: There is no such version.
        """
        with self.database.reading() as connection:
            return tuple(sorted(signatures.bundles(connection, model, found(connection, model, ref).version)))
