"""The pages' addresses: each path once as Reflex wants it, and once as a builder."""

DASHBOARD = "/"
JOB = "/jobs/[job_id]"


def job(job_id: object) -> str:
    """The address of one job's page; takes a Reflex var as well."""
    return f"/jobs/{job_id}"
