"""How many jobs are in each status is kept for each kind.

By triggers as before, see 0004; adding up the few rows that this makes gives what was kept until now. On SQLite the
rows of a kind are made before its first job, since a trigger that would make or change a row takes half as long again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATUSES = ("scheduled", "queued", "running", "completed", "failed", "cancelled")
LESS = "UPDATE job_count SET count = count - 1 WHERE kind = OLD.kind AND status = OLD.status;"
MORE = "UPDATE job_count SET count = count + 1 WHERE kind = NEW.kind AND status = NEW.status;"
EMPTY = " ".join(f"INSERT INTO job_count VALUES (NEW.kind, '{status}', 0);" for status in STATUSES)
FUNCTIONS = """
DROP FUNCTION job_count_add(text, integer);
CREATE FUNCTION job_count_add(of_kind text, of_status text, delta integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO job_count (kind, status, slot, count)
    SELECT of_kind, of_status, pg_backend_pid(), delta WHERE of_status <> 'deleted'
    ON CONFLICT (kind, status, slot) DO UPDATE SET count = job_count.count + excluded.count
$$;
CREATE OR REPLACE FUNCTION job_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM job_count_add(OLD.kind, OLD.status, -1); END IF;
    IF TG_OP <> 'DELETE' THEN PERFORM job_count_add(NEW.kind, NEW.status, 1); END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _upgrade_postgresql()
    else:
        _upgrade_sqlite()


def _upgrade_postgresql() -> None:
    op.execute("LOCK TABLE job IN SHARE ROW EXCLUSIVE MODE")  # who is changing jobs now is counted, or waits
    op.drop_table("job_count")
    op.create_table(
        "job_count",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("status", sa.String(), primary_key=True),
        sa.Column("slot", sa.Integer(), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
    )
    op.execute("INSERT INTO job_count SELECT kind, status, 0, count(*) FROM job GROUP BY kind, status")
    op.execute("DELETE FROM job_count WHERE status = 'deleted'")
    op.execute(FUNCTIONS)


def _upgrade_sqlite() -> None:
    for trigger in ("job_counted_in", "job_counted_out", "job_counted_over"):
        op.execute(f"DROP TRIGGER {trigger}")
    op.drop_table("job_count")
    op.create_table(
        "job_count",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("status", sa.String(), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO job_count SELECT kind, status, count(*) FROM job GROUP BY kind, status")
    for status in STATUSES:
        op.execute(f"INSERT OR IGNORE INTO job_count SELECT DISTINCT kind, '{status}', 0 FROM job_count")
    op.execute("DELETE FROM job_count WHERE status = 'deleted'")
    op.execute(
        "CREATE TRIGGER job_counted_first BEFORE INSERT ON job "
        f"WHEN NOT EXISTS (SELECT 1 FROM job_count WHERE kind = NEW.kind) BEGIN {EMPTY} END"
    )
    op.execute(f"CREATE TRIGGER job_counted_in AFTER INSERT ON job BEGIN {MORE} END")
    op.execute(f"CREATE TRIGGER job_counted_out AFTER DELETE ON job BEGIN {LESS} END")
    op.execute(
        "CREATE TRIGGER job_counted_over AFTER UPDATE OF status ON job WHEN OLD.status <> NEW.status "
        f"BEGIN {LESS} {MORE} END"
    )
