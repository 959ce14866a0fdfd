"""Which job was run again as which."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rerun",
        sa.Column("job_id", sa.Uuid(), sa.ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
        # no foreign key: where a job comes from stays known when its model is deleted
        sa.Column("rerun_of", sa.Uuid(), nullable=False, index=True),
    )
