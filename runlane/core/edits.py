"""What people change about a waiting job: its parameters, priority, time and attempts; and starting it sooner."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, null

from runlane.audit import acting, note
from runlane.clock import utc_now
from runlane.core.transitions import Transition, by, change, job_table
from runlane.db.database import Database
from runlane.model.snapshot import Change, JobSnapshot
from runlane.model.status import WAITING, JobStatus

LABELS = {"params": "parameters", "max_attempts": "attempts", "scheduled_for": "time"}


class Edits:
    """Changes of waiting jobs, in one database. Each returns ``None`` when the job's status has changed."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def edit(
        self, job: JobSnapshot, values: Mapping[str, Any], before: dict[str, Any], after: dict[str, Any]
    ) -> Change | None:
        """Change columns of a job that is still at the version given; ``before`` and ``after`` are for the audit."""
        who = acting()
        labels = ", ".join(LABELS.get(name, name) for name in after)
        transition = Transition(
            where=and_(job_table.c.id == job.id, job_table.c.version == job.version, job_table.c.status.in_(WAITING)),
            values={**values, "message": job.message},
            message=f"Edited: {labels}.",
            data=by(who, {"reason": "edited", "changed": list(after)}),
        )

        def work(db: Connection) -> Change | None:
            made = change(db, transition)
            if made:
                note(db, who, "edit", "job", [str(job.id)], before, after)
            return made[0] if made else None

        return await self._db.write(work)

    async def promote(self, job_id: UUID) -> Change | None:
        """Queue a scheduled job now, before its time."""
        transition = Transition(
            where=and_(job_table.c.id == job_id, job_table.c.status == JobStatus.SCHEDULED),
            sources=frozenset({JobStatus.SCHEDULED}),
            values={"status": JobStatus.QUEUED, "queued_at": utc_now(), "scheduled_for": null()},
            message="Started before its time; waiting for a free slot.",
            data={"reason": "promoted"},
            action="promote",
        )
        changes = await self._db.write(lambda db: change(db, transition))
        return changes[0] if changes else None
