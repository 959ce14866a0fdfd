"""What is unusual about a job is found by an index: that it was tried more than once, that it took long."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TRIED_AGAIN = sa.text("attempt > 1")
# As ``runlane.search.matching.SecondsBetween`` is written.
TOOK_S = {
    "sqlite": "((julianday(finished_at) - julianday(started_at)) * 86400.0)",
    "postgresql": "CAST(extract(epoch FROM (finished_at - started_at)) AS double precision)",
}


def upgrade() -> None:
    took_s = TOOK_S[op.get_bind().dialect.name]
    op.create_index("ix_job_attempt", "job", ["attempt", "id"], sqlite_where=TRIED_AGAIN, postgresql_where=TRIED_AGAIN)
    op.execute(f"CREATE INDEX ix_job_took ON job (({took_s}), id) WHERE ({took_s}) > 1")
