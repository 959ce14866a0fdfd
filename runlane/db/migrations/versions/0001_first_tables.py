"""The first tables: job, job_event, artifact."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _time(name: str, *, nullable: bool) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        _time("created_at", nullable=False),
        _time("scheduled_for", nullable=True),
        _time("queued_at", nullable=True),
        _time("started_at", nullable=True),
        _time("finished_at", nullable=True),
        _time("cancel_requested_at", nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True, unique=True),
        sa.CheckConstraint("version >= 1 AND attempt >= 1", name="ck_job_counters"),
    )
    op.create_index("ix_job_created", "job", ["created_at", "id"])
    op.create_index("ix_job_status_created", "job", ["status", "created_at", "id"])
    op.create_index("ix_job_kind_created", "job", ["kind", "created_at", "id"])
    op.create_index("ix_job_priority", "job", ["priority", "id"])
    op.create_index("ix_job_status_scheduled", "job", ["status", "scheduled_for"])
    op.create_table(
        "job_event",
        sa.Column("job_id", sa.Uuid(), sa.ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        _time("at", nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=True),
    )
    op.create_table(
        "artifact",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("job_id", sa.Uuid(), sa.ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _time("created_at", nullable=False),
    )
    op.create_index("ix_artifact_job_id", "artifact", ["job_id"])


def downgrade() -> None:
    for table in ("artifact", "job_event", "job"):
        op.drop_table(table)
