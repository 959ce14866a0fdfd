"""What one browser tab holds and answers, without a browser: the list, the form, the actions, a job's page."""

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest

import jobs_app.app  # noqa: F401 - registers the pages, which gives states the parts of their address
from jobs_app import routes
from jobs_app.compare.state import MAX_STEPS, Comparison
from jobs_app.dashboard.selection.state import Selection
from jobs_app.dashboard.state import PAGE_SIZE, JobList, Views
from jobs_app.job.actions import Actions
from jobs_app.job.state import JobPage
from jobs_app.job.timeline.state import FIRST_LINES, Timeline, shown_lines
from jobs_app.job.tree.json_tree import BEYOND, FIRST_ROWS
from jobs_app.job.tree.state import Trees
from jobs_app.keys.state import Keys
from jobs_app.submit.state import StartForm
from runlane.clock import utc_now
from runlane.core.attempts import HandlerMessage, Report, completed, failed
from runlane.model.requests import Submission
from runlane.model.snapshot import JobError
from runlane.model.status import EventType, JobStatus
from runlane.search.query import MAX_LENGTH
from testbed.attempts import end_attempt, start_attempt
from tests.support.jobs import running, submitted
from tests.support.tabs import NOBODY


@pytest.fixture
def compare(tab, visit):
    """The page that compares two jobs, opened."""

    async def opened(job_id: object, other_id: object) -> Comparison:
        path = f"{routes.job(job_id)}/compare"
        visit(routes.COMPARE, f"{path}?with={other_id}", job_id=str(job_id), **{"with": str(other_id)})
        page = await tab.get_state(Comparison)
        await page.choose()
        await page.refresh()
        return page

    return opened


@pytest.fixture
def open_job(tab, visit):
    """A job's page, opened."""

    async def opened(job_id: object) -> JobPage:
        visit(routes.JOB, routes.job(job_id), job_id=str(job_id))
        page = await tab.get_state(JobPage)
        await page.load()
        return page

    return opened


async def test_the_list_is_read_page_by_page(tab, visit, service, follow):
    await service.submit_many([Submission(kind="noop") for _ in range(PAGE_SIZE + 3)])
    visit(routes.DASHBOARD, "/")
    job_list = await tab.get_state(JobList)
    await job_list.load()
    first = [row["id"] for row in job_list.rows]

    await follow(job_list, job_list.next_page())
    second, page_number = [row["id"] for row in job_list.rows], job_list.page_number
    await follow(job_list, await job_list.previous_page())

    assert (len(first), len(second), page_number) == (PAGE_SIZE, 3, 2)
    assert not set(first) & set(second)
    assert [row["id"] for row in job_list.rows] == first


async def test_beyond_the_last_page_there_is_none(tab, visit, service):
    await submitted(service)
    visit(routes.DASHBOARD, "/")
    job_list = await tab.get_state(JobList)
    await job_list.load()

    assert job_list.next_page() is None

    assert job_list.page_number == 1
    assert len(job_list.rows) == 1


async def test_pages_are_turned_back_to_the_first_from_an_address_alone(tab, visit, service, follow):
    await service.submit_many([Submission(kind="noop") for _ in range(3 * PAGE_SIZE + 3)])
    visit(routes.DASHBOARD, "/")
    job_list = await tab.get_state(JobList)
    await job_list.load()
    pages = [[row["id"] for row in job_list.rows]]
    for _ in range(3):
        address = await follow(job_list, job_list.next_page())
        pages.append([row["id"] for row in job_list.rows])

    await follow(job_list, job_list.show_all())
    visit(routes.DASHBOARD, address, **dict(parse_qsl(address.partition("?")[2])))
    await job_list.load()
    turned = [[row["id"] for row in job_list.rows]]
    for _ in range(3):
        await follow(job_list, await job_list.previous_page())
        turned.append([row["id"] for row in job_list.rows])

    assert turned == pages[::-1]
    assert (job_list.page_number, job_list.address) == (1, "")


async def test_turning_pages_keeps_what_is_selected_and_another_filter_does_not(tab, visit, service, follow):
    await service.submit_many([Submission(kind="noop") for _ in range(PAGE_SIZE + 3)])
    visit(routes.DASHBOARD, "/")
    job_list, selection = await tab.get_state(JobList), await tab.get_state(Selection)
    await job_list.load()
    await selection.toggle_page()

    await follow(job_list, job_list.next_page())
    assert len(selection.selected) == PAGE_SIZE
    await follow(job_list, job_list.show_status("queued"))
    assert (selection.selected, job_list.page_number) == ([], 1)


async def test_what_is_exported_and_saved_is_the_whole_list_from_any_page(tab, visit, service, follow):
    await service.submit_many([Submission(kind="noop") for _ in range(PAGE_SIZE + 3)])
    visit(routes.DASHBOARD, "/?status=queued", status="queued")
    job_list, views = await tab.get_state(JobList), await tab.get_state(Views)
    await job_list.load()

    await follow(job_list, job_list.next_page())
    await views.save({"name": "Waiting"})

    assert job_list.export_query == "&status=queued"
    assert views.saved == [{"name": "Waiting", "address": "?status=queued"}]


async def test_the_address_names_which_jobs_are_listed(tab, visit, service):
    await submitted(service)
    busy = await running(service)
    visit(routes.DASHBOARD, "/?status=running&q=noop", status="running", q="noop")
    job_list = await tab.get_state(JobList)

    await job_list.load()

    assert [row["id"] for row in job_list.rows] == [str(busy.id)]
    assert (job_list.status, job_list.search) == ("running", "noop")


async def test_an_address_that_makes_no_sense_lists_what_it_can(tab, visit, service):
    await submitted(service)
    nonsense = "x" * 10_000
    visit(routes.DASHBOARD, f"/?status=done&q={nonsense}", status="done", q=nonsense)
    job_list = await tab.get_state(JobList)

    await job_list.load()

    assert (job_list.status, len(job_list.search)) == ("", MAX_LENGTH)
    assert (job_list.rows, job_list.trouble, job_list.loaded) == ([], "", True)


async def test_a_list_that_cannot_be_read_keeps_what_it_shows_and_reports_it(tab, visit, service, database_away):
    job = await submitted(service)
    visit(routes.DASHBOARD, "/")
    job_list = await tab.get_state(JobList)
    await job_list.load()

    with database_away():
        await job_list.refresh()

    assert [row["id"] for row in job_list.rows] == [str(job.id)]
    assert "does not answer" in job_list.trouble


async def test_a_search_that_cannot_be_done_reports_why_and_shows_nothing(tab, visit, service):
    await submitted(service)
    visit(routes.DASHBOARD, "/?q=a%00", q="a\x00")
    job_list = await tab.get_state(JobList)

    await job_list.load()

    assert job_list.rows == []
    assert "NUL" in job_list.trouble


async def test_the_form_starts_a_job_and_reports_it(tab, store):
    form = await tab.get_state(StartForm)
    form.load()

    toast = await form.submit({"start_url": "https://example.com", "goal": "", "steps": "2", "step_seconds": "0.5"})

    [job] = (await store.page()).jobs
    assert (job.params["steps"], job.params["step_seconds"]) == (2, 0.5)
    assert job.short_id in str(toast)


async def test_the_form_names_the_wrong_field_and_starts_nothing(tab, store):
    form = await tab.get_state(StartForm)
    form.load()

    await form.submit({"start_url": "x", "goal": "", "steps": "ten", "step_seconds": "99"})

    assert set(form.errors) == {"steps", "step_seconds"}
    assert (await store.page()).jobs == []


async def test_the_form_shows_an_error_when_a_job_cannot_be_started_now(tab, store, database_away):
    form = await tab.get_state(StartForm)
    form.choose("noop")

    with database_away():
        await form.submit({})

    assert "does not answer" in form.trouble
    assert (await store.page()).jobs == []


async def test_the_page_of_a_job_shows_an_error_when_it_cannot_be_read(service, open_job, database_away):
    job = await submitted(service)
    page = await open_job(job.id)

    with database_away():
        await page.refresh()

    assert page.found
    assert "does not answer" in page.trouble


async def test_a_kind_that_a_client_invents_is_refused(tab):
    form = await tab.get_state(StartForm)

    form.choose("rm_rf")

    assert (form.is_known, form.fields) == (False, [])
    assert form.trouble.startswith("No worker has brought the kind rm_rf")
    await form.submit({})
    assert "there is no kind 'rm_rf'" in form.trouble


@pytest.mark.parametrize("job_id", ["", "abc", "x" * 10_000, NOBODY])
async def test_actions_on_a_job_that_is_not_there_end_in_a_sentence(tab, visit, job_id):
    visit(routes.DASHBOARD, "/")
    actions = await tab.get_state(Actions)
    actions.ask_delete(job_id)

    toasts = [await actions.cancel(job_id), await actions.retry(job_id), await actions.delete()]

    assert all("There is no job" in str(toast) for toast in toasts)


async def test_actions_that_a_jobs_status_forbids_end_in_a_sentence(tab, visit, service, store):
    visit(routes.DASHBOARD, "/")
    job = await running(service)
    actions = await tab.get_state(Actions)
    actions.ask_delete(str(job.id))

    assert "only failed or cancelled" in str(await actions.retry(str(job.id)))
    assert "cancel it first" in str(await actions.delete())
    await end_attempt(service, completed(job.id, 1, None))
    assert "has already completed" in str(await actions.cancel(str(job.id)))


async def test_cancelling_reports_whether_the_job_is_cancelled_or_still_has_to_stop(tab, service):
    waiting, busy = await submitted(service), await running(service)
    actions = await tab.get_state(Actions)

    assert f"Job {waiting.short_id} is cancelled." in str(await actions.cancel(str(waiting.id)))
    assert f"Job {busy.short_id} has been told to stop." in str(await actions.cancel(str(busy.id)))


async def test_a_retry_reports_that_the_job_is_queued_again(tab, service, store):
    job = await submitted(service)
    await service.cancel(job.id)
    actions = await tab.get_state(Actions)

    toast = await actions.retry(str(job.id))

    assert f"Job {job.short_id} is queued again." in str(toast)
    assert (await store.get(job.id)).status is JobStatus.QUEUED


async def test_a_job_is_deleted_only_after_a_yes(tab, visit, service, store):
    visit(routes.DASHBOARD, "/")
    kept, deleted = await submitted(service), await submitted(service)
    actions = await tab.get_state(Actions)

    actions.ask_delete(str(kept.id))
    actions.keep()
    actions.ask_delete(str(deleted.id))
    await actions.delete()

    assert [job.id for job in (await store.page()).jobs] == [kept.id]
    assert actions.pending_delete == ""


async def test_deleting_the_job_whose_page_is_open_leads_back_to_the_list(tab, service, open_job):
    job = await submitted(service)
    await open_job(job.id)
    actions = await tab.get_state(Actions)
    actions.ask_delete(str(job.id))

    leave, toast = await actions.delete()

    assert "_redirect" in str(leave)
    assert f"Job {job.short_id} is deleted." in str(toast)


async def test_the_page_of_a_job_shows_error_timeline_and_attempts(service, open_job):
    job = await running(service, max_attempts=3)
    await end_attempt(service, failed(job.id, 1, JobError(type="X", message="y", traceback="z"), retry_at=None))

    page = await open_job(job.id)

    assert (page.found, page.row["live"]["status"]) == (True, "failed")
    timeline = await page.get_state(Timeline)
    shown = {row["key"]: row["text"] for row in (await page.get_state(Trees)).rows["error"] if not row["branch"]}
    assert (shown, page.frames) == ({"type": '"X"', "message": '"y"'}, [{"text": "z", "ours": True}])
    assert [line["text"] for line in shown_lines(timeline)] == ["Waiting for a free slot.", "Started.", "Failed: y"]
    assert [(lane["number"], lane["status"]) for lane in timeline.lanes] == [(1, "failed")]
    assert timeline.loaded_version == 3
    assert page.follow_command == f"curl -N http://localhost:8000/api/jobs/{job.id}/stream"


async def test_the_page_of_a_job_shows_its_files_and_the_newest_lines(service, store, open_job):
    job = await running(service)
    await store.record(
        [Report(job.id, 1, [HandlerMessage(EventType.LOG, log_message=str(n)) for n in range(FIRST_LINES)])]
    )
    about = {"name": "a.txt", "media_type": "text/plain"}
    await store.record(
        [Report(job.id, 1, [HandlerMessage(EventType.ARTIFACT, log_message="a.txt", data=about, content=b"x" * 1500)])]
    )

    page = await open_job(job.id)

    timeline = await page.get_state(Timeline)
    assert (len(shown_lines(timeline)), timeline.earlier) == (FIRST_LINES, True)
    assert shown_lines(timeline)[-1]["text"] == "Attached a.txt"
    [artifact] = page.artifacts
    assert (artifact["name"], artifact["size"], artifact["preview"]) == ("a.txt", "1.5 kB", "x" * 1500)
    assert artifact["href"].startswith(f"/api/jobs/{job.id}/artifacts/")


async def test_the_page_of_a_job_leads_to_its_neighbours_in_the_list_it_was_opened_from(service, tab, visit):
    jobs = [await submitted(service) for _ in range(3)]
    await service.cancel(jobs[1].id)
    path = f"{routes.job(jobs[2].id)}?status=queued"
    visit(routes.JOB, path, job_id=str(jobs[2].id), status="queued")
    page = await tab.get_state(JobPage)

    await page.load()

    assert (page.newer, page.older) == ("", f"{routes.job(jobs[0].id)}?status=queued")


async def test_a_job_that_was_opened_from_a_list_that_cannot_be_read_is_shown_without_neighbours(service, tab, visit):
    jobs = [await submitted(service) for _ in range(2)]
    visit(routes.JOB, f"{routes.job(jobs[0].id)}?q=status:done", job_id=str(jobs[0].id), q="status:done")
    page = await tab.get_state(JobPage)

    await page.load()

    assert (page.found, page.trouble) == (True, "")
    assert (page.newer, page.older, page.list_address) == ("", "", "?q=status%3Adone")


async def test_two_jobs_are_compared_by_the_steps_of_their_last_attempts_however_long_their_timelines(
    service, store, compare, reconciler
):
    jobs = [await running(service, max_attempts=2) for _ in range(2)]
    error = JobError(type="X", message="y")
    for job in jobs:
        steps = [HandlerMessage(EventType.PROGRESS, message=str(n), data={"step": True}) for n in range(MAX_STEPS)]
        await store.record([Report(job.id, 1, steps)])
        await end_attempt(service, failed(job.id, 1, error, retry_at=utc_now()))
        await reconciler.queue_due([job.id], utc_now())
        await start_attempt(service, job.id, "worker-1")
        ticks = [HandlerMessage(EventType.PROGRESS, progress=n % 100) for n in range(MAX_STEPS)]
        last = HandlerMessage(EventType.PROGRESS, message="The last step", data={"step": True})
        await store.record([Report(job.id, 2, [*ticks, last])])

    page = await compare(*[job.id for job in jobs])

    assert [(pair["left"], pair["right"]) for pair in page.steps] == [("Started.", "Started."), ("The last step",) * 2]
    assert not page.cut


async def test_a_comparison_that_leaves_out_steps_shows_that(service, store, compare):
    jobs = [await running(service) for _ in range(2)]
    steps = [HandlerMessage(EventType.PROGRESS, message=str(n), data={"step": True}) for n in range(MAX_STEPS)]
    await store.record([Report(jobs[0].id, 1, steps)])

    page = await compare(*[job.id for job in jobs])

    assert (page.cut, len(page.steps)) == (True, MAX_STEPS)


async def test_a_comparison_that_is_read_again_shows_what_became_of_both(service, compare):
    jobs = [await running(service) for _ in range(2)]
    page = await compare(*[job.id for job in jobs])
    assert [row["live"]["status"] for row in (page.left, page.right)] == ["running", "running"]

    await end_attempt(service, completed(jobs[0].id, 1, None))
    await page.refresh()

    assert [row["live"]["status"] for row in (page.left, page.right)] == ["completed", "running"]
    assert page.facts[0] == {"label": "Status", "left": "completed", "right": "running", "differs": True}


async def test_a_comparison_with_a_job_that_is_then_deleted_shows_an_error(service, compare):
    jobs = [await submitted(service) for _ in range(2)]
    page = await compare(*[job.id for job in jobs])

    await service.delete(jobs[1].id)
    await page.refresh()

    assert "There is no job" in page.trouble


async def test_a_job_is_run_again_with_edited_parameters_and_stays_linked(service, store, tab, open_job):
    job, _ = await service.submit(Submission(kind="slow", params={"seconds": 5}))
    form = await tab.get_state(StartForm)

    await form.again(str(job.id))
    assert {field["name"]: field["default"] for field in form.fields} == {"seconds": "5"}
    await form.submit({"seconds": "7"})

    [again, _] = (await store.page()).jobs
    assert (again.params, form.rerun_of) == ({"seconds": 7}, "")
    page = await open_job(again.id)
    assert [(relation["id"], relation["depth"]) for relation in page.family] == [(str(job.id), 0), (str(again.id), 1)]


async def test_a_secret_that_is_not_typed_again_stays_and_never_leaves_the_server(tab, visit, service, store):
    given = {"source": {"api_key": "hunter2"}}
    job, _ = await service.submit(Submission(kind="report", params=given, delay_s=3600))
    visit(routes.DASHBOARD, "/")
    form = await tab.get_state(StartForm)

    def typed(**changes):
        return {**{field["name"]: field["default"] for field in form.fields}, **changes}

    await form.edit(str(job.id))
    assert "hunter2" not in f"{form.fields}{form.copy_curl()}"
    await form.submit(typed(title="Renamed"))
    edited = await store.get(job.id)
    assert (edited.params["title"], edited.params["source"]["api_key"]) == ("Renamed", "hunter2")

    await form.again(str(job.id))
    await form.submit(typed())
    await form.again(str(job.id))
    await form.submit(typed(**{"source.api_key": "other"}))

    [other, same, _] = (await store.page()).jobs
    assert [each.params["source"]["api_key"] for each in (same, other)] == ["hunter2", "other"]


async def test_what_is_wrong_with_a_field_is_shown_while_one_types(tab):
    form = await tab.get_state(StartForm)
    form.load()

    form.type_in("steps", "1000")
    assert set(form.errors) == {"steps"}
    form.type_in("step_seconds", "x")
    assert set(form.errors) == {"steps", "step_seconds"}
    form.type_in("steps", "10")
    assert set(form.errors) == {"step_seconds"}


async def test_what_holds_for_every_kind_is_set_under_advanced(tab, store):
    form = await tab.get_state(StartForm)
    form.choose("noop")

    await form.submit({"advanced.priority": "1000000"})
    assert set(form.errors) == {"advanced.priority"}
    await form.submit({"advanced.priority": "3", "advanced.delay_s": "60", "advanced.max_attempts": "2"})

    [job] = (await store.page()).jobs
    assert (job.priority, job.status, job.max_attempts) == (3, JobStatus.SCHEDULED, 2)


async def test_a_time_without_a_zone_is_utc_as_its_label_says(tab, store):
    form = await tab.get_state(StartForm)
    form.choose("noop")
    later = (utc_now() + timedelta(hours=3)).replace(microsecond=0)

    await form.submit({"advanced.scheduled_for": later.strftime("%Y-%m-%dT%H:%M:%S")})
    assert (await store.page()).jobs[0].scheduled_for == later
    await form.submit({"advanced.scheduled_for": "soon"})
    assert set(form.errors) == {"advanced.scheduled_for"}


async def test_a_time_that_nobody_touched_stays_when_the_browser_leaves_out_its_seconds(tab, service, store):
    due = (utc_now() + timedelta(hours=3)).replace(second=0, microsecond=250_000)
    job, _ = await service.submit(Submission(kind="noop", scheduled_for=due))
    form = await tab.get_state(StartForm)
    await form.edit(str(job.id))

    as_the_browser_writes_it = due.strftime("%Y-%m-%dT%H:%M")
    await form.submit({"advanced.scheduled_for": as_the_browser_writes_it, "advanced.priority": "7"})

    edited = await store.get(job.id)
    assert (edited.scheduled_for, edited.priority) == (due, 7)


async def test_the_last_job_is_started_once_more(tab, store):
    form = await tab.get_state(StartForm)
    form.choose("noop")
    assert await form.repeat() is None
    await form.submit({})

    await form.repeat()

    assert [job.kind for job in (await store.page()).jobs] == ["noop", "noop"]


async def test_the_form_is_copied_as_a_command_and_as_python(tab, visit):
    visit(routes.DASHBOARD, "/")
    form = await tab.get_state(StartForm)
    form.choose("slow")
    form.type_in("seconds", "3")

    curl, python = str(form.copy_curl()), str(form.copy_python())

    assert "curl -X POST http://localhost:8000/api/jobs" in curl
    assert "seconds" in curl
    assert "client.submit('slow', seconds=3)" in python.replace("\\", "")
    form.type_in("seconds", "x")
    assert "params.seconds" in str(form.copy_curl())


async def test_a_tree_is_unfolded_loaded_searched_and_copied(service, open_job):
    job, _ = await service.submit(Submission(kind="report", params={"sections": ["x" * 1000]}))
    page = await open_job(job.id)
    trees = await page.get_state(Trees)

    def texts():
        return [row["text"] for row in trees.rows["params"]]

    assert not any("x" * 1000 in text for text in texts())
    trees.load_rest("params", "/sections/0")
    assert any("x" * 1000 in text for text in texts())
    trees.toggle("params", "")
    assert texts() == ["6 keys"]
    trees.find("params", "weekly")
    assert texts() == ["6 keys", '"Weekly report"']
    assert "Weekly report" in str(trees.copy("params", "/title"))
    assert "no longer there" in str(trees.copy("params", "/nowhere"))
    for tree in ("nonsense", "result"):
        trees.toggle(tree, "/x")
        assert "no longer there" in str(trees.copy(tree, "/x"))


async def test_keys_do_nothing_to_a_job_that_is_compared(tab, visit, service, store):
    job = await submitted(service)
    visit(routes.COMPARE, f"{routes.job(job.id)}/compare", job_id=str(job.id))
    keys = await tab.get_state(Keys)

    assert [await keys.press(key, "") for key in "cr"] == [None, None]

    visit(routes.JOB, routes.job(job.id), job_id=str(job.id))
    assert "cancel" in str(await keys.press("c", ""))


async def test_the_palette_offers_what_can_be_done_with_the_job_as_it_is(tab, visit, service):
    busy, ended = await running(service), await service.cancel((await submitted(service)).id)
    keys = await tab.get_state(Keys)

    async def offered(job_id, words=""):
        visit(routes.JOB, routes.job(job_id), job_id=str(job_id))
        await keys.press("palette", "")
        await keys.find(words)
        return [command["does"] for command in keys.commands if str(job_id) in command["does"]]

    assert await offered(busy.id) == [f"cancel:{busy.id}"]
    assert await offered(ended.id) == [f"retry:{ended.id}", f"delete:{ended.id}"]
    assert await offered(ended.id, "delete no-op") == [f"delete:{ended.id}"]
    assert await offered(NOBODY) == []


async def test_rows_of_a_large_tree_are_loaded_as_many_as_are_asked_for(service, open_job):
    job = await running(service)
    await end_attempt(service, completed(job.id, 1, [[n] for n in range(2 * FIRST_ROWS)]))
    trees = await (await open_job(job.id)).get_state(Trees)
    trees.load_rest("result", "")
    assert len(trees.rows["result"]) == FIRST_ROWS + 1

    trees.load_rest("result", BEYOND)

    assert len(trees.rows["result"]) == 2 * FIRST_ROWS + 1
    trees.load_rest("params", BEYOND)
    assert trees.rows["params"][-1]["path"] != BEYOND


async def test_a_secret_is_shown_nowhere_on_the_page(service, open_job):
    job, _ = await service.submit(Submission(kind="report", params={"source": {"api_key": "hunter2"}}))

    page = await open_job(job.id)

    trees = await page.get_state(Trees)
    assert "hunter2" not in str(trees.rows)
    assert "hunter2" not in str(trees.copy("params", ""))


@pytest.mark.parametrize("job_id", ["abc", NOBODY])
async def test_the_page_of_an_unknown_job_shows_that_there_is_none(open_job, job_id):
    page = await open_job(job_id)

    assert not page.found
    assert "There is no job" in page.trouble


async def test_the_page_of_a_job_that_is_then_deleted_shows_that_when_it_reads_again(service, open_job):
    job = await submitted(service)
    page = await open_job(job.id)

    await service.delete(job.id)
    await page.refresh()

    assert not page.found
    assert "There is no job" in page.trouble
