"""What a job keeps over its attempts, on its page and in the question before its retry; and what jobs are called."""

import json

import pytest

from jobs_app import routes
from jobs_app.app import app
from jobs_app.dashboard.slots import rows as slot_rows
from jobs_app.dashboard.slots.running import RunningJobs
from jobs_app.dashboard.state import JobList
from jobs_app.job.actions import Actions
from jobs_app.job.saved import SHOWN_STEPS, SavedState, in_words
from jobs_app.job.state import JobPage
from jobs_app.job.tree.state import Trees
from jobs_app.ui import job_rows
from jobs_app.ui.formats import MAX_NAME, job_name
from runlane.core.attempts import failed
from runlane.model.status import JobStatus
from testbed.attempts import end_attempt
from tests.support.jobs import BOOM, NOON, queued, running, snapshot, submitted, worker

SAVED = {"values": {"total": 3}, "steps": ["Page 1", "Page 2"], "once": {"log in": True}}


@pytest.fixture
async def failed_job(service, plain_sql):
    """A job that failed, and kept what it did."""
    job = await running(service)
    await end_attempt(service, failed(job.id, 1, BOOM, retry_at=None))
    plain_sql("UPDATE job SET saved = :saved WHERE id = :id", saved=json.dumps(SAVED), id=job.id.hex)
    return job


@pytest.fixture
async def page(tab, visit, failed_job):
    """The page of that job, opened."""
    visit(routes.JOB, routes.job(failed_job.id), job_id=str(failed_job.id))
    page = await tab.get_state(JobPage)
    await page.load()
    return page


async def test_a_page_shows_what_its_job_keeps(page):
    saved, trees = await page.get_state(SavedState), await page.get_state(Trees)

    assert (saved.found, saved.steps, saved.steps_done, saved.once) == (True, ["Page 1", "Page 2"], 2, ["log in"])
    assert [row["key"] for row in trees.rows["saved"]] == ["", "total"]


async def test_a_page_follows_what_its_job_keeps_and_shows_the_last_of_many_steps(page, failed_job, plain_sql):
    steps = [f"Page {number}" for number in range(1, 501)]
    plain_sql("UPDATE job SET saved = :saved WHERE id = :id", saved=json.dumps({"steps": steps}), id=failed_job.id.hex)
    saved, trees = await page.get_state(SavedState), await page.get_state(Trees)

    await saved.refresh()

    assert (saved.steps, saved.steps_done, saved.once) == (steps[-SHOWN_STEPS:], 500, [])
    assert "saved" not in trees.rows
    assert "params" in trees.rows


@pytest.mark.parametrize(("from_start", "kept"), [(False, SAVED), (True, None)])
async def test_a_retry_of_a_job_that_kept_something_asks_where_to_begin(tab, failed_job, store, from_start, kept):
    actions = await tab.get_state(Actions)

    assert await actions.retry(str(failed_job.id)) is None
    assert (actions.pending_retry, actions.kept) == (
        str(failed_job.id),
        "2 finished steps, 1 saved value and 1 kept result",
    )
    await actions.retry_from(from_start)

    assert actions.pending_retry == ""
    assert (await store.get(failed_job.id)).status is JobStatus.QUEUED
    assert await store.saved(failed_job.id) == kept


async def test_a_question_that_is_closed_retries_nothing(tab, failed_job, store):
    actions = await tab.get_state(Actions)
    await actions.retry(str(failed_job.id))

    actions.forget_retry(False)
    await actions.retry_from(True)

    assert (await store.get(failed_job.id)).status is JobStatus.FAILED


async def test_a_question_about_a_job_is_closed_when_the_tab_goes_to_any_other_page(tab, failed_job, store):
    actions = await tab.get_state(Actions)
    await actions.retry(str(failed_job.id))

    actions.ask_nothing()
    await actions.retry_from(True)

    assert (await store.get(failed_job.id)).status is JobStatus.FAILED
    loads = {route: [str(event.fn) for event in app.get_load_events(route)] for route in app._unevaluated_pages}
    assert [route for route, events in loads.items() if not any("ask_nothing" in event for event in events)] == []


def test_what_is_kept_is_counted_in_words():
    assert in_words(None) == in_words({}) == ""
    assert in_words({"steps": ["a"]}) == "1 finished step"
    assert in_words({"steps": ["a"], "values": {"x": 1, "y": 2}}) == "1 finished step and 2 saved values"


def test_a_job_is_called_by_its_own_title_with_that_of_its_kind_beside_it():
    job, old = snapshot(title="https://example.com · 3 pages"), snapshot()

    assert job_rows.titles(job) == {"title": "https://example.com · 3 pages", "of_kind": "No-op"}
    assert job_rows.titles(old) == {"title": "No-op", "of_kind": ""}
    slot = slot_rows.slot(1, job, NOON, None, NOON)
    assert (slot["title"], slot["of_kind"]) == ("https://example.com · 3 pages", "No-op")


def test_in_a_sentence_a_long_title_is_cut():
    assert job_name(snapshot(title="x" * 200)) == "x" * (MAX_NAME - 1) + "…"


async def test_a_queued_job_whose_kind_no_worker_takes_says_so(tab, visit, service, world):
    await world.registry.beat(worker(kinds=["slow"]))
    job = await submitted(service)
    visit(routes.DASHBOARD, "/")
    job_list = await tab.get_state(JobList)
    await job_list.load()
    visit(routes.JOB, routes.job(job.id), job_id=str(job.id))
    page = await tab.get_state(JobPage)
    await page.load()

    assert [row["lacks_worker"] for row in job_list.rows] == [True]
    assert page.waits_for == "No worker for its kind."


def test_what_starts_next_is_no_job_whose_kind_no_worker_takes():
    board, jobs = RunningJobs(2), [queued(kind="crawl"), queued(kind="noop")]
    board.runnable = frozenset({"noop"})

    board.set_next(jobs)

    assert [job["waits_for"] for job in board.next] == ["when a worker takes its kind", "when a slot is free"]
    assert [job["now"] for job in board.next] == [False, True]
