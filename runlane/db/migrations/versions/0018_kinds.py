"""Workers register their kinds; a job has a title, and keeps what it saves over its attempts.

Jobs that there are already have no title: no code of their kinds is at hand here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kind",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.Column("rate_count", sa.Integer(), nullable=True),
        sa.Column("rate_s", sa.Float(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_brought_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("brought_by", sa.String(), nullable=False),
    )
    op.add_column("job", sa.Column("title", sa.String(), nullable=False, server_default=""))
    op.add_column("job", sa.Column("saved", sa.JSON(), nullable=True))
