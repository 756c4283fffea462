"""Puts a version into the registry: files first, then one transaction that makes it known."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from plumbline.deployment.core.encoding import decode, encode, identity
from plumbline.deployment.core.errors import ConflictError, InvalidError
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.core.semver import parse
from plumbline.deployment.registry.blobs import Blobs
from plumbline.deployment.registry.database import Database
from plumbline.deployment.registry.folders import laid_out
from plumbline.deployment.registry.judging import Decision, Looking, decided, unpacked
from plumbline.deployment.registry.names import inside, model_name, no_pickle
from plumbline.deployment.registry.records import Registered, Stored, newest, stored
from plumbline.deployment.registry.tables import FILES, VERSIONS

TRIES = 5
"""How often a version is judged anew because another was registered meanwhile."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody wants to register.

    Args:
        manifest: All of the version but its number.
        files: Where each file of the manifest lies, by its path there.
        claim: The author's number, or None.
        by: Who registers it.
        at: Unix time in seconds.
    """

    manifest: Manifest
    files: Mapping[str, Path]
    claim: str | None
    by: str
    at: float

    @property
    def digest(self) -> str:
        """The version's identity."""
        return identity(self.manifest)

    def plain(self) -> Offer:
        """Return it with the manifest as it is read back: 1 is 1.0 where a float stands, so that its digest lasts.

        Raises:
            InvalidError: The manifest holds what its declaration does not allow.
        """
        return replace(self, manifest=decode(encode(self.manifest), Manifest, f"manifest of '{self.manifest.model}'"))


def register(database: Database, blobs: Blobs, offer: Offer, looking: Looking) -> Registered:
    """Store an offer's files, compute its version, make it known. A crash leaves at most files that nothing refers to.

    Raises:
        InvalidError: The manifest and the files do not belong together, or a name is none.
        UntrustedError: A file is a pickle.
        CorruptError: A file is not what the manifest says.
        ClaimError: The author's version is too low.
        ConflictError: Others register this model faster than it can be judged.
    """
    offer = offer.plain()
    _checked(offer)
    with database.reading() as connection:
        known = _known(connection, offer)
    again = None if known is None else _again(known, offer)
    database.writable()
    for file in offer.manifest.files:  # those of a known version, too: it may have been damaged
        blobs.put(offer.files[file.path], expect=file.digest, size=file.size)
    if again is not None and known is not None and known.collected_at is None:
        return again
    if known is not None:
        return _restored(database, blobs, offer)
    for _ in range(TRIES):
        with database.reading() as connection:
            last = newest(connection, offer.manifest.model)
        decision = _judged(blobs, last, offer, looking)
        with database.writing() as connection:
            known = _known(connection, offer)
            if known is not None:
                return _again(known, offer)
            after = newest(connection, offer.manifest.model)
            if (after and after.digest) == (last and last.digest):
                _present(blobs, offer)
                _write(connection, offer, decision)
                return Registered(
                    decision.version, offer.digest, decision.bump, decision.changes, decision.against, fresh=True
                )
    raise ConflictError(
        f"{offer.manifest.model}: others registered {TRIES} versions while this one was compared; try again",
        model=offer.manifest.model,
    )


def _checked(offer: Offer) -> None:
    manifest = offer.manifest
    model_name(manifest.model)
    paths = [inside(file.path) for file in manifest.files]
    if not offer.by.strip():
        raise InvalidError("who registers it? 'by' is empty", field="by")
    if paths != sorted(set(paths)):
        raise InvalidError("the manifest's files must be sorted by path, each once", field="files")
    if manifest.entry not in paths:
        raise InvalidError(f"the manifest's entry '{manifest.entry}' is not among its files", field="entry")
    missing = sorted(set(paths) - set(offer.files))
    if missing:
        raise InvalidError(f"file '{missing[0]}' of the manifest was not given", field="files", missing=missing)
    for path in paths:
        if not offer.files[path].is_file():
            raise InvalidError(f"{offer.files[path]}: there is no such file", path=str(offer.files[path]))
        no_pickle(path, offer.files[path])


def _known(connection: Connection, offer: Offer) -> Stored | None:
    which = (VERSIONS.c.model == offer.manifest.model) & (VERSIONS.c.digest == offer.digest)
    row = connection.execute(select(VERSIONS).where(which)).first()
    return None if row is None else stored(row)


def _again(known: Stored, offer: Offer) -> Registered:
    if offer.claim is not None and offer.claim != known.version:
        raise ConflictError(
            f"this very artefact is version {known.version} of {offer.manifest.model}, registered by {known.by}: "
            f"it cannot be {offer.claim} too",
            version=known.version,
            claim=offer.claim,
        )
    return Registered(known.version, known.digest, known.bump, known.changes, known.against, fresh=False)


def _restored(database: Database, blobs: Blobs, offer: Offer) -> Registered:
    """Bring back a version whose files had been collected: the same artefact has the same number."""
    with database.writing() as connection:
        _present(blobs, offer)
        which = (VERSIONS.c.model == offer.manifest.model) & (VERSIONS.c.digest == offer.digest)
        connection.execute(update(VERSIONS).where(which).values(collected_at=None))
        known = _known(connection, offer)
    if known is None:
        raise ConflictError(f"{offer.manifest.model}: the version vanished while it was brought back; try again")
    return _again(known, offer)


def _judged(blobs: Blobs, last: Stored | None, offer: Offer, looking: Looking) -> Decision:
    with ExitStack() as stack:
        folder = stack.enter_context(unpacked(lambda path: laid_out(blobs, offer.manifest, {}, path)))
        new = stack.enter_context(looking.side(None, offer.manifest, offer.digest, folder))
        if last is None:
            return decided(looking, None, new, offer.claim)
        before = stack.enter_context(unpacked(lambda path: laid_out(blobs, last.manifest, {}, path)))
        old = stack.enter_context(looking.side(last.version, last.manifest, last.digest, before))
        return decided(looking, old, new, offer.claim)


def _present(blobs: Blobs, offer: Offer) -> None:
    """Put files again that a collection took meanwhile: it deletes under the lock that is held here."""
    for file in offer.manifest.files:
        if not blobs.has(file.digest):
            blobs.put(offer.files[file.path], expect=file.digest, size=file.size)


def _write(connection: Connection, offer: Offer, decision: Decision) -> None:
    model, version = offer.manifest.model, parse(decision.version)
    connection.execute(
        insert(VERSIONS).values(
            model=model,
            version=decision.version,
            major=version.major,
            minor=version.minor,
            patch=version.patch,
            digest=offer.digest,
            manifest=encode(offer.manifest).decode(),
            bump=decision.bump.name,
            against=decision.against,
            changes=encode(decision.changes).decode(),
            evidence=encode(decision.evidence).decode(),
            registered_at=offer.at,
            registered_by=offer.by,
        )
    )
    rows = [{"path": file.path, "digest": file.digest, "size": file.size} for file in offer.manifest.files]
    connection.execute(insert(FILES), [{"model": model, "version": decision.version, **row} for row in rows])
