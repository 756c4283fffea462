"""The signatures that the registry keeps: one per version and key."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from plumbline.deployment.registry.signing import Signature
from plumbline.deployment.registry.tables import SIGNATURES


def bundles(connection: Connection, model: str, version: str) -> dict[str, str]:
    """Return the bundles of a version by digest of the public key."""
    mine = (SIGNATURES.c.model == model) & (SIGNATURES.c.version == version)
    return {row.key: row.bundle for row in connection.execute(select(SIGNATURES).where(mine))}


def add(connection: Connection, which: tuple[str, str], signature: Signature, by: str, at: float) -> None:
    """Keep a signature of `(model, version)`; one by the same key that is there already stays: it says the same."""
    model, version = which
    if signature.key not in bundles(connection, model, version):
        row = {"model": model, "version": version, "key": signature.key, "bundle": signature.bundle}
        connection.execute(insert(SIGNATURES).values(**row, signed_by=by, signed_at=at))
