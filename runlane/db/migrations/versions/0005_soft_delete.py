"""A deleted job stays for some seconds, so that the deletion can be undone.

Its status is then ``deleted``, which no statement about jobs means, and which is not counted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("job", sa.Column("deleted_status", sa.String(), nullable=True))
    op.create_index(
        "ix_job_deleted",
        "job",
        ["deleted_at"],
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
