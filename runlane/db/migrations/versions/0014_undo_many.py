"""What an operation deleted is known by it, so that all of it can be brought back."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("deleted_by", sa.Uuid(), nullable=True))
    op.add_column("operation", sa.Column("undoes", sa.Uuid(), nullable=True))
