"""The pages' addresses: each path once in Reflex's form, and once as a builder; and the id in one."""

from uuid import UUID

from runlane.errors import JobNotFound

DASHBOARD = "/"
JOB = "/jobs/[job_id]"
ADMIN = "/admin"
ADMIN_METRICS = "/admin/metrics"
ADMIN_EVENTS = "/admin/events"
ADMIN_AUDIT = "/admin/audit"
ADMIN_QUEUE = "/admin/queue"
ADMIN_SYSTEM = "/admin/system"
ADMIN_ALERTS = "/admin/alerts"
ADMIN_WORKERS = "/admin/workers"
ADMIN_SCHEDULES = "/admin/schedules"
ADMIN_KINDS = "/admin/kinds"
COMPARE = "/jobs/[job_id]/compare"


def job(job_id: object) -> str:
    """The address of one job's page; takes a Reflex var as well."""
    return f"/jobs/{job_id}"


def compare(job_id: object, other_id: object = "") -> str:
    """The address that compares two jobs side by side; without another one, the page finds the likeliest."""
    return f"/jobs/{job_id}/compare?with={other_id}"


def parse_job_id(text: str) -> UUID:
    """The id that a page was asked for.

    Raises:
        JobNotFound: it is no id at all.
    """
    try:
        return UUID(text)
    except ValueError as exc:
        raise JobNotFound(text[:40]) from exc
