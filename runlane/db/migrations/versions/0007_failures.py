"""The cause of each failed job, so that failures can be grouped without reading their errors."""

import json

import sqlalchemy as sa
from alembic import op

from runlane.model.fingerprint import fingerprint
from runlane.model.snapshot import JobError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FAILED = sa.text("status = 'failed'")
BATCH = 500


def upgrade() -> None:
    op.add_column("job", sa.Column("fingerprint", sa.String(), nullable=True))
    job = sa.table("job", *(sa.column(n) for n in ("id", "status", "error", "fingerprint")))
    db = op.get_bind()
    query = sa.select(job.c.id, job.c.error).where(job.c.status == "failed", job.c.error.is_not(None))
    query = query.order_by(job.c.id).limit(BATCH)
    rows = db.execute(query).all()
    while rows:
        for job_id, error in rows:
            mark = fingerprint(JobError.model_validate(json.loads(error) if isinstance(error, str) else error))
            db.execute(job.update().where(job.c.id == job_id).values(fingerprint=mark))
        rows = db.execute(query.where(job.c.id > rows[-1][0])).all()
    columns = ["kind", "fingerprint", "finished_at"]
    op.create_index("ix_job_failure", "job", columns, sqlite_where=FAILED, postgresql_where=FAILED)
