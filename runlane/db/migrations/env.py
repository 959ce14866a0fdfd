"""Runs migrations on the connection that ``runlane.db.database.migrate`` hands over, in its transaction."""

from alembic import context
from sqlmodel import SQLModel

import runlane.db.tables  # noqa: F401 - fills the metadata that autogenerate compares with

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
