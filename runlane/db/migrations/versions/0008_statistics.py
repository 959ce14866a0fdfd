"""What happened over time: triggers note what comes and ends, rows a minute, hour and day count it; and samples.

The jobs there are already are noted too, so that charts begin with what is known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FINISHED = sa.text("finished_at IS NOT NULL")
NOTE = "INSERT INTO stat_entry (at, kind, outcome, queued_at, started_at)"
NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"


ENDED = "NEW.status IN ('completed', 'failed', 'cancelled') AND OLD.status IN ('scheduled', 'queued', 'running')"
NOTED = f"""
CREATE FUNCTION job_noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {NOTE} VALUES (NEW.created_at, NEW.kind, 'submitted', NULL, NULL);
    ELSIF {ENDED} THEN
        {NOTE} VALUES (NEW.finished_at, NEW.kind, NEW.status, NEW.queued_at,
            CASE WHEN OLD.status = 'running' THEN NEW.started_at END);
    ELSIF OLD.status = 'running' AND NEW.attempt > OLD.attempt THEN
        {NOTE} VALUES (clock_timestamp(), NEW.kind, 'retried', OLD.queued_at, OLD.started_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER job_noted_in AFTER INSERT ON job FOR EACH ROW EXECUTE FUNCTION job_noted();
CREATE TRIGGER job_noted_over AFTER UPDATE OF status ON job FOR EACH ROW EXECUTE FUNCTION job_noted()
"""


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "stat_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("queued_at", moment, nullable=True),
        sa.Column("started_at", moment, nullable=True),
    )
    op.create_table(
        "stat",
        sa.Column("step", sa.String(), primary_key=True),
        sa.Column("at", moment, primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("outcome", sa.String(), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("wait", sa.JSON(), nullable=False),
        sa.Column("run", sa.JSON(), nullable=False),
    )
    op.create_table(
        "sample",
        sa.Column("at", moment, primary_key=True),
        *(
            sa.Column(status, sa.Integer(), nullable=False)
            for status in ("scheduled", "queued", "running", "completed", "failed", "cancelled")
        ),
        sa.Column("workers", sa.Integer(), nullable=True),
        sa.Column("oldest_queued_s", sa.Float(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
    )
    op.execute(f"{NOTE} SELECT created_at, kind, 'submitted', NULL, NULL FROM job")
    op.execute(
        f"{NOTE} SELECT finished_at, kind, status, queued_at, started_at FROM job "
        "WHERE status IN ('completed', 'failed', 'cancelled') AND finished_at IS NOT NULL"
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(NOTED)
    else:
        _create_sqlite_triggers()
    op.create_index("ix_job_finished", "job", ["finished_at"], sqlite_where=FINISHED, postgresql_where=FINISHED)


def _create_sqlite_triggers() -> None:
    op.execute(
        "CREATE TRIGGER job_noted_in AFTER INSERT ON job "
        f"BEGIN {NOTE} VALUES (NEW.created_at, NEW.kind, 'submitted', NULL, NULL); END"
    )
    op.execute(
        "CREATE TRIGGER job_noted_out AFTER UPDATE OF status ON job "
        f"WHEN {ENDED} "
        f"BEGIN {NOTE} VALUES (NEW.finished_at, NEW.kind, NEW.status, NEW.queued_at, "
        "CASE WHEN OLD.status = 'running' THEN NEW.started_at END); END"
    )
    op.execute(
        "CREATE TRIGGER job_noted_again AFTER UPDATE OF status ON job "
        "WHEN OLD.status = 'running' AND NEW.attempt > OLD.attempt "
        f"BEGIN {NOTE} VALUES ({NOW}, NEW.kind, 'retried', OLD.queued_at, OLD.started_at); END"
    )
