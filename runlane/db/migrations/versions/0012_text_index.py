"""On PostgreSQL words are found by an index: triggers note whose words changed, and the index is kept from those notes.

What runs is noted when it ends: its words change all the time, and each search reads it anyway. The jobs there are
already are noted too. The index needs the extension pg_trgm, which comes with the server and may be made by whoever
owns the database; where it is missing or may not be made, there are no notes, and words are found by reading, as on
SQLite.
"""

import logging

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from runlane.db.engines import one_line

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)

CUT = sa.text("NOT whole")
NOTED = """
CREATE FUNCTION job_text_noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO text_entry (job_id) SELECT CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END;
    RETURN NULL;
END $$;
CREATE TRIGGER job_text_in_out AFTER INSERT OR DELETE ON job FOR EACH ROW EXECUTE FUNCTION job_text_noted();
CREATE TRIGGER job_text_over AFTER UPDATE OF status, params, message, result, error ON job FOR EACH ROW
    WHEN (NEW.status NOT IN ('running', 'deleted')) EXECUTE FUNCTION job_text_noted()
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "text_entry",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("job_id", sa.Uuid(), nullable=False),
    )
    op.create_table(
        "job_text",
        sa.Column("job_id", sa.Uuid(), primary_key=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_job_text_cut", "job_text", ["job_id"], postgresql_where=CUT)
    if _create_index():
        op.execute("INSERT INTO text_entry (job_id) SELECT id FROM job WHERE status <> 'running'")
        op.execute(NOTED)


def _create_index() -> bool:
    """Whether there is an index now."""
    db = op.get_bind()
    try:
        with db.begin_nested():
            db.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError as exc:
        log.warning("Rare words will be found slowly, without an index: %s", one_line(exc.orig or exc))
        return False
    op.create_index(
        "ix_job_text_words", "job_text", ["words"], postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}
    )
    return True
