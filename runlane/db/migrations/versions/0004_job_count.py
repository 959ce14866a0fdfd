"""How many jobs are in each status is kept, not counted; and when the longest waiting one was queued is found at once.

Triggers keep it, in the transaction of each change, whoever makes it: code that would have to remember could forget.
They cost a change about 2 % of its time; counting a million rows took 70 to 200 ms.

On PostgreSQL many write at the same time, and rows that all of them change would make them wait for each other, or
deadlock. So each connection has rows of its own there, in the ``slot`` of its process id; to be added up.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATUSES = ("scheduled", "queued", "running", "completed", "failed", "cancelled")
LESS = "UPDATE job_count SET count = count - 1 WHERE status = OLD.status;"
MORE = "UPDATE job_count SET count = count + 1 WHERE status = NEW.status;"


COUNTED = """
CREATE FUNCTION job_count_add(of_status text, delta integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO job_count (status, slot, count)
    SELECT of_status, pg_backend_pid(), delta WHERE of_status <> 'deleted'
    ON CONFLICT (status, slot) DO UPDATE SET count = job_count.count + excluded.count
$$;
CREATE FUNCTION job_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM job_count_add(OLD.status, -1); END IF;
    IF TG_OP <> 'DELETE' THEN PERFORM job_count_add(NEW.status, 1); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER job_counted_in_out AFTER INSERT OR DELETE ON job FOR EACH ROW EXECUTE FUNCTION job_counted();
CREATE TRIGGER job_counted_over AFTER UPDATE OF status ON job FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION job_counted()
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _upgrade_postgresql()
    else:
        _upgrade_sqlite()
    is_queued = sa.text("status = 'queued'")
    op.create_index("ix_job_queued", "job", ["queued_at"], sqlite_where=is_queued, postgresql_where=is_queued)


def _upgrade_postgresql() -> None:
    op.create_table(
        "job_count",
        sa.Column("status", sa.String(), primary_key=True),
        sa.Column("slot", sa.Integer(), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
    )
    op.execute("INSERT INTO job_count SELECT status, 0, count(*) FROM job GROUP BY status")
    op.execute(COUNTED)


def _upgrade_sqlite() -> None:
    table = op.create_table(
        "job_count",
        sa.Column("status", sa.String(), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
    )
    op.bulk_insert(table, [{"status": status, "count": 0} for status in STATUSES])
    op.execute("UPDATE job_count SET count = (SELECT count(*) FROM job WHERE job.status = job_count.status)")
    op.execute(f"CREATE TRIGGER job_counted_in AFTER INSERT ON job BEGIN {MORE} END")
    op.execute(f"CREATE TRIGGER job_counted_out AFTER DELETE ON job BEGIN {LESS} END")
    op.execute(
        "CREATE TRIGGER job_counted_over AFTER UPDATE OF status ON job WHEN OLD.status <> NEW.status "
        f"BEGIN {LESS} {MORE} END"
    )
