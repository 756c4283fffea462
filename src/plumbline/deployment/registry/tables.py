"""What the registry remembers, as tables. Rows are added and stay; only aliases and leases move."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in a plain INTEGER

VERSIONS = Table(
    "versions",
    METADATA,
    Column("model", String(128), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("major", Integer, nullable=False),  # numbers, so that 1.10.0 comes after 1.9.0
    Column("minor", Integer, nullable=False),
    Column("patch", Integer, nullable=False),
    Column("digest", String(71), nullable=False),  # of the manifest: the version's identity
    Column("manifest", Text, nullable=False),
    Column("bump", String(8), nullable=False),
    Column("against", String(64)),  # version it was compared with; NULL for the first
    Column("changes", Text, nullable=False),  # how it differs, JSON
    Column("evidence", Text, nullable=False),  # what was asked and answered, JSON
    Column("registered_at", Double, nullable=False),  # Unix time in seconds
    Column("registered_by", String(256), nullable=False),
    Column("collected_at", Double),  # when retention took its files; NULL while they are there
    UniqueConstraint("model", "digest"),
)

FILES = Table(  # which version needs which blob; the same as in the manifest, to be asked by digest
    "files",
    METADATA,
    Column("model", String(128), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("path", String(1024), primary_key=True),
    Column("digest", String(71), nullable=False),
    Column("size", _BIG, nullable=False),
    ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.version"]),
    Index("ix_files_digest", "digest"),
)

SIGNATURES = Table(
    "signatures",
    METADATA,
    Column("model", String(128), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("key", String(71), primary_key=True),  # digest of the public key
    Column("bundle", Text, nullable=False),  # OpenSSF model signing, JSON
    Column("signed_by", String(256), nullable=False),
    Column("signed_at", Double, nullable=False),
    ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.version"]),
)

ALIASES = Table(
    "aliases",
    METADATA,
    Column("model", String(128), primary_key=True),
    Column("alias", String(64), primary_key=True),
    Column("version", String(64), nullable=False),
    ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.version"]),
)

MOVES = Table(
    "moves",
    METADATA,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("model", String(128), nullable=False),
    Column("alias", String(64), nullable=False),
    Column("source", String(64)),  # NULL: it pointed at nothing
    Column("target", String(64)),  # NULL: it was taken away
    Column("moved_by", String(256), nullable=False),
    Column("why", Text, nullable=False),
    Column("epoch", _BIG),  # of the deployer that moved it; NULL by hand
    Column("moved_at", Double, nullable=False),
    Index("ix_moves_model", "model", "alias", "id"),
)

LEASES = Table(
    "leases",
    METADATA,
    Column("model", String(128), primary_key=True),
    Column("holder", String(256), nullable=False),
    Column("epoch", _BIG, nullable=False),  # rises with every lease, never falls
    Column("taken_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)
