"""What Alembic runs: it takes the connection that it is given, so that steps and their record are one transaction."""

from __future__ import annotations

from alembic import context

from plumbline.deployment.registry.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite changes a table by copying it
)
context.run_migrations()
