"""Selecting rows and acting on all of them, without a browser."""

from uuid import UUID

import pytest

from jobs_app import routes, runtime
from jobs_app.dashboard.selection.state import MAX_SELECTED, Selection
from jobs_app.dashboard.state import PAGE_SIZE, JobList, Views
from jobs_app.live.notify import OwnNotifications
from runlane.bulk.service import MAX_UNLISTED
from runlane.errors import Unavailable
from runlane.model.requests import Submission
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter
from tests.support.jobs import running, submitted, worker

PLAIN = {"shift_key": False}
SHIFT = {"shift_key": True}


@pytest.fixture
async def job_list(tab, visit, service):
    """A list of six jobs, open in a tab."""
    await service.submit_many([Submission(kind="noop") for _ in range(6)])
    visit(routes.DASHBOARD, "/")
    job_list = await tab.get_state(JobList)
    await job_list.load()
    return job_list


@pytest.fixture
async def selection(job_list):
    return await job_list.get_state(Selection)


def ids(job_list):
    return [row["id"] for row in job_list.rows]


async def test_a_shift_click_selects_all_rows_between(job_list, selection):
    shown = ids(job_list)

    await selection.toggle(shown[4], PLAIN)
    await selection.toggle(shown[1], SHIFT)

    assert set(selection.selected) == set(shown[1:5])


async def test_a_shift_click_on_a_selected_row_deselects_all_between(job_list, selection):
    shown = ids(job_list)
    await selection.toggle_page()

    await selection.toggle(shown[0], PLAIN)
    await selection.toggle(shown[2], SHIFT)

    assert set(selection.selected) == set(shown[3:])


async def test_the_page_is_selected_and_deselected_at_once(job_list, selection):
    await selection.toggle_page()
    assert set(selection.selected) == set(ids(job_list))

    await selection.toggle_page()
    assert selection.selected == []


async def test_more_than_can_be_selected_by_hand_is_refused_and_drops_nothing(job_list, selection, service, follow):
    await service.submit_many([Submission(kind="noop") for _ in range(3 * 100)])
    await follow(job_list, job_list.show_many("100"))
    for _ in range(2):
        await selection.toggle_page()
        await follow(job_list, job_list.next_page())
    before = list(selection.selected)
    assert len(before) == MAX_SELECTED

    toasts = [await selection.toggle_page(), await selection.toggle(ids(job_list)[0], PLAIN)]

    assert selection.selected == before
    assert all("Up to 200 rows can be selected by hand" in str(each) for each in toasts)


async def test_how_many_match_is_known_when_something_is_selected(job_list, selection, service, follow):
    await service.submit_many([Submission(kind="noop") for _ in range(1500)])
    await service.submit(Submission(kind="slow"))

    counted = [await selection.toggle(ids(job_list)[0], PLAIN), await selection.toggle(ids(job_list)[1], PLAIN)]
    assert ["count_matching" in str(each) for each in counted] == [True, False]

    for text, number in (("", 1507), ("kind:slow", 1)):
        await follow(job_list, job_list.find({"q": text}))
        await selection.select_all_matching()
        assert selection.matching == number


async def test_what_the_list_reports_is_kept_in_the_list_of_notifications(job_list, selection, database_away):
    views, notifications = await job_list.get_state(Views), await job_list.get_state(OwnNotifications)
    await selection.toggle(ids(job_list)[0], PLAIN)

    await views.save({"name": ""})
    await views.save({"name": "Mine"})
    with database_away():
        await selection.ask("delete")
        await selection.ask_group("noop", "x")

    assert [(each["level"], each["text"][:22]) for each in notifications.newest[::-1]] == [
        ("error", "Give the view a name."),
        ("success", "The view is saved as '"),
        ("error", "The database does not "),
        ("error", "The database does not "),
    ]


async def test_rows_do_not_move_while_some_are_selected(job_list, selection, service):
    before = ids(job_list)
    await selection.toggle(before[0], PLAIN)
    await submitted(service)

    await job_list.refresh()

    assert (ids(job_list), job_list.newer) == (before, 1)
    await job_list.show_newer()
    assert (len(ids(job_list)), job_list.newer) == (7, 0)


async def test_rows_do_not_move_under_the_pointer_until_it_leaves(job_list, service, store):
    before = ids(job_list)
    job_list.hold()
    await submitted(service)
    await service.delete((await store.page()).jobs[3].id)

    await job_list.refresh()

    assert (ids(job_list), job_list.newer) == (before, 1)
    assert [row["live"]["status"] for row in job_list.rows].count("deleted") == 1
    await job_list.let_go()
    assert (len(ids(job_list)), job_list.newer) == (6, 0)


async def test_older_jobs_that_move_up_are_not_new(job_list, service, tab, visit):
    await service.submit_many([Submission(kind="noop") for _ in range(PAGE_SIZE)])
    await job_list.load()
    shown = ids(job_list)
    job_list.hold()
    await service.delete(UUID(shown[0]))
    await service.delete(UUID(shown[3]))

    await job_list.refresh()
    assert (ids(job_list), job_list.newer) == (shown, 0)
    for job_id in (*shown[1:3], *shown[4:]):
        await service.delete(UUID(job_id))
    await job_list.refresh()
    assert (ids(job_list), job_list.newer) == (shown, 0)
    await submitted(service)
    await job_list.refresh()
    assert (ids(job_list), job_list.newer) == (shown, 1)


async def test_a_deleted_row_leaves_when_the_pointer_does_though_nothing_is_new(job_list, service):
    first, *others = ids(job_list)
    job_list.hold()
    await service.delete(UUID(first))
    await job_list.refresh()

    await job_list.let_go()

    assert ids(job_list) == others


async def test_in_another_order_what_comes_last_is_not_new_above(tab, visit, job_list, service):
    visit(routes.DASHBOARD, "/?sort=created_at", sort="created_at")
    await job_list.load()
    job_list.hold()
    await submitted(service)

    await job_list.refresh()

    assert job_list.newer == 0


async def test_a_preview_counts_what_would_be_done_and_what_left_alone(job_list, selection, service):
    await running(service)
    await job_list.load()
    await selection.toggle_page()

    await selection.ask("delete")

    assert (selection.action, selection.affected, selection.left_alone) == ("delete", 6, ["1 running"])


async def test_all_that_match_are_counted_beyond_the_page(job_list, selection, service):
    await service.submit_many([Submission(kind="noop") for _ in range(50)])
    await selection.toggle(ids(job_list)[0], PLAIN)

    await selection.select_all_matching()
    await selection.ask("cancel")

    assert (selection.matching, selection.affected) == (56, 56)


async def test_a_deletion_of_selected_rows_is_undone_by_its_operation(job_list, selection, store):
    chosen = JobFilter(ids=tuple(UUID(job_id) for job_id in ids(job_list)[:2]))
    deleted = await runtime.current().operations.do("delete", chosen)
    selection._show("delete", deleted)
    assert (selection.report, selection.undoable) == ("2 of 2 jobs deleted.", True)

    await selection.undo_deletion()
    assert (selection.report, selection.undoable) == ("2 jobs are back.", False)
    await selection.undo_deletion()

    assert await store.count(JobFilter()) == 6
    assert await runtime.current().operations.newest(5) == []


async def test_an_action_on_selected_rows_is_stopped_by_its_operation(job_list, selection, monkeypatch):
    monkeypatch.setattr("runlane.bulk.execution.SAVE_EVERY_S", 0.0)

    async def stop_after_the_first(operation):
        selection._operation = operation.id
        if operation.done == 1:
            await selection.stop()

    report = await runtime.current().operations.do("cancel", JobFilter(), stop_after_the_first)
    selection._show("cancel", report)

    assert selection.report == "2 of 2 jobs cancelled. Stopped after 2."


async def test_many_jobs_are_left_to_the_server(job_list, selection, service):
    await service.submit_many([Submission(kind="noop") for _ in range(MAX_UNLISTED)])

    message = await selection._hand_to_server("cancel", JobFilter())

    assert "The server does it: 206 jobs, seen above the list." in str(message)
    [begun] = await runtime.current().operations.newest(5)
    assert (begun.action, begun.total, begun.taken_by) == ("cancel", 206, None)


async def test_a_failure_reports_whether_the_server_goes_on(job_list, selection):
    selection.total, selection.done = 5, 2
    selection._show_failure(Unavailable("The database does not answer."))
    assert selection.report == "The database does not answer. Nothing was done."

    selection._operation = UUID(int=1)
    selection._show_failure(Unavailable("The database does not answer."))

    assert selection.report.endswith("2 of 5 jobs done so far; the server goes on as soon as it can.")


async def test_selecting_a_row_by_hand_ends_selecting_all_that_match(job_list, selection):
    await selection.toggle_page()
    await selection.select_all_matching()

    await selection.toggle(ids(job_list)[0], PLAIN)

    assert not selection.whole


@pytest.mark.parametrize(("action", "chosen"), [("explode", True), ("delete", False), ("restore", True)])
async def test_what_a_client_invents_is_not_asked(job_list, selection, action, chosen):
    if chosen:
        await selection.toggle_page()

    await selection.ask(action)

    assert selection.action == ""


async def test_rows_that_are_not_shown_cannot_be_selected(job_list, selection):
    await selection.toggle("x" * 10_000, PLAIN)

    assert selection.selected == []


async def test_views_are_kept_under_a_name_and_replaced_and_removed(tab, visit, job_list):
    visit(routes.DASHBOARD, "/?status=failed", status="failed")
    await job_list.load()
    views = await job_list.get_state(Views)

    await views.save({"name": "Broken"})
    await views.save({"name": "Broken"})
    await views.save({"name": " "})

    assert views.saved == [{"name": "Broken", "address": "?status=failed"}]
    assert "status=failed" in str(views.show("?status=failed&x=y"))
    views.remove("Broken")
    assert views.saved == []


@pytest.mark.parametrize("kept", ["", "x", "5", "[1]", '[{"name": "a"}]', "null"])
async def test_what_a_browser_kept_may_be_anything(job_list, kept):
    views = await job_list.get_state(Views)
    views.kept = kept

    assert views.saved == []


async def test_the_search_box_knows_the_workers_there_are(job_list, world):
    await world.registry.beat(worker())

    await job_list.suggest("status:failed worker:")

    assert job_list.suggested == ["status:failed worker:host-1"]


async def test_a_query_that_cannot_be_read_is_shown_with_its_wrong_character(tab, visit, job_list):
    visit(routes.DASHBOARD, "/?q=kind%3Anoop+status%3Adone")

    await job_list.load()

    assert job_list.wrong == ["kind:noop status:", "d", "one"]
    assert JobStatus.COMPLETED in job_list.trouble
