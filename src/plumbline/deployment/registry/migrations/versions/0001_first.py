"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "versions",
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("major", sa.Integer, nullable=False),
        sa.Column("minor", sa.Integer, nullable=False),
        sa.Column("patch", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("bump", sa.String(8), nullable=False),
        sa.Column("against", sa.String(64)),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("registered_at", sa.Double, nullable=False),
        sa.Column("registered_by", sa.String(256), nullable=False),
        sa.Column("collected_at", sa.Double),
        sa.PrimaryKeyConstraint("model", "version", name="pk_versions"),
        sa.UniqueConstraint("model", "digest", name="uq_versions_model_digest"),
    )
    _of_a_version(
        "files",
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("size", _BIG, nullable=False),
        key=("model", "version", "path"),
    )
    op.create_index("ix_files_digest", "files", ["digest"])
    _of_a_version(
        "signatures",
        sa.Column("key", sa.String(71), nullable=False),
        sa.Column("bundle", sa.Text, nullable=False),
        sa.Column("signed_by", sa.String(256), nullable=False),
        sa.Column("signed_at", sa.Double, nullable=False),
        key=("model", "version", "key"),
    )
    _of_a_version("aliases", sa.Column("alias", sa.String(64), nullable=False), key=("model", "alias"))
    _deployers()


def _of_a_version(
    table: str, *columns: sa.Column[str] | sa.Column[int] | sa.Column[float], key: tuple[str, ...]
) -> None:
    op.create_table(
        table,
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"),
        sa.ForeignKeyConstraint(
            ["model", "version"], ["versions.model", "versions.version"], name=f"fk_{table}_model_version"
        ),
    )


def _deployers() -> None:
    op.create_table(
        "moves",
        sa.Column("id", _BIG, nullable=False, autoincrement=True),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("alias", sa.String(64), nullable=False),
        sa.Column("source", sa.String(64)),
        sa.Column("target", sa.String(64)),
        sa.Column("moved_by", sa.String(256), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("epoch", _BIG),
        sa.Column("moved_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_moves"),
    )
    op.create_index("ix_moves_model", "moves", ["model", "alias", "id"])
    op.create_table(
        "leases",
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("holder", sa.String(256), nullable=False),
        sa.Column("epoch", _BIG, nullable=False),
        sa.Column("taken_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_leases"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("leases", "moves", "aliases", "signatures", "files", "versions"):
        op.drop_table(table)
