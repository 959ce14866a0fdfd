"""What was submitted with an idempotency key, as a digest; jobs that were made before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("idempotency_digest", sa.String(), nullable=True))
