"""What a job saves is there for its next attempt: after a kill, a failure, a hand-over, and a retry by hand."""

from pathlib import Path

import pytest

from runlane.model.requests import Submission
from runlane.model.snapshot import JobSnapshot
from testbed.waiting import until
from tests.support.farm import Farm

pytestmark = pytest.mark.databases


def open_pages(farm: Farm, *pages: int) -> None:
    for page in pages:
        Path(f"{farm.record.path}.{page}").touch()


async def submit(farm: Farm, pages: int) -> JobSnapshot:
    job, _ = await farm.service.submit(Submission(kind="paged", params={"path": str(farm.record.path), "pages": pages}))
    return job


def begun(farm: Farm) -> list[tuple[str, int]]:
    """Each page that was begun, with the attempt that did."""
    return [(line.what, line.attempt) for line in farm.record.lines() if line.what.startswith(("page", "made"))]


async def test_a_worker_that_is_killed_at_step_7_goes_on_at_step_7(farm):
    worker = await farm.start()
    job = await submit(farm, pages=8)
    open_pages(farm, *range(1, 7))
    await until(lambda: farm.job(job), lambda now: now.message == "Page 7")
    farm.kill(worker)
    await farm.start()

    open_pages(farm, 7, 8)
    done = await farm.is_(job, "completed")

    assert (done.attempt, done.result) == (2, {"total": 36, "made": 2})
    assert begun(farm) == [*((f"page-{n}", 1) for n in range(1, 8)), ("page-7", 2), ("page-8", 2), ("made", 2)]


async def test_a_job_that_is_handed_back_goes_on_where_it_was_with_the_same_attempt(farm):
    worker = await farm.start()
    job = await submit(farm, pages=3)
    open_pages(farm, 1)
    await until(lambda: farm.job(job), lambda now: now.message == "Page 2")
    worker.signal(15)
    assert await worker.ends() == 0
    open_pages(farm, 2, 3)
    await farm.start()

    done = await farm.is_(job, "completed")

    assert (done.attempt, done.result["total"]) == (1, 6)
    assert [page for page, _ in begun(farm)] == ["page-1", "page-2", "page-2", "page-3", "made"]


async def test_a_retry_goes_on_from_what_was_saved_or_from_the_start(farm):
    await farm.start()
    job = await submit(farm, pages=3)
    open_pages(farm, 1)
    await until(lambda: farm.job(job), lambda now: now.message == "Page 2")
    await farm.service.cancel(job.id)
    await farm.is_(job, "cancelled")
    assert (await farm.services.store.saved(job.id)) == {"values": {"total": 1}, "steps": ["Page 1"]}

    await farm.service.retry(job.id)
    await farm.record.has("page-2", job.id, 2)
    await farm.service.cancel(job.id)
    await farm.is_(job, "cancelled")
    await farm.service.retry(job.id, from_start=True)
    await farm.record.has("page-1", job.id, 2)
    open_pages(farm, 2, 3)

    assert (await farm.is_(job, "completed")).result["total"] == 6
    assert begun(farm)[:4] == [("page-1", 1), ("page-2", 1), ("page-2", 2), ("page-1", 3)]
