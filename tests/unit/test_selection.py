"""Selecting rows and acting on all of them, without a browser."""

from uuid import UUID

import pytest

from jobs_app import routes, runtime
from jobs_app.dashboard.selection.state import MAX_SELECTED, Selection
from jobs_app.dashboard.state import PAGE_SIZE, BoardState, Views
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
async def board(tab, visit, service):
    """A list of six jobs, open in a tab."""
    await service.submit_many([Submission(kind="noop") for _ in range(6)])
    visit(routes.DASHBOARD, "/")
    board = await tab.get_state(BoardState)
    await board.load()
    return board


@pytest.fixture
async def selection(board):
    return await board.get_state(Selection)


def ids(board):
    return [row["id"] for row in board.rows]


async def test_a_shift_click_selects_all_rows_between(board, selection):
    shown = ids(board)

    await selection.toggle(shown[4], PLAIN)
    await selection.toggle(shown[1], SHIFT)

    assert set(selection.selected) == set(shown[1:5])


async def test_a_shift_click_on_a_selected_row_deselects_all_between(board, selection):
    shown = ids(board)
    await selection.toggle_page()

    await selection.toggle(shown[0], PLAIN)
    await selection.toggle(shown[2], SHIFT)

    assert set(selection.selected) == set(shown[3:])


async def test_the_page_is_selected_and_deselected_at_once(board, selection):
    await selection.toggle_page()
    assert set(selection.selected) == set(ids(board))

    await selection.toggle_page()
    assert selection.selected == []


async def test_more_than_can_be_selected_by_hand_is_said_and_drops_nothing(board, selection, service, follow):
    await service.submit_many([Submission(kind="noop") for _ in range(3 * 100)])
    await follow(board, board.show_many("100"))
    for _ in range(2):
        await selection.toggle_page()
        await follow(board, board.next_page())
    before = list(selection.selected)
    assert len(before) == MAX_SELECTED

    told = [await selection.toggle_page(), await selection.toggle(ids(board)[0], PLAIN)]

    assert selection.selected == before
    assert all("Up to 200 rows can be selected by hand" in str(each) for each in told)


async def test_how_many_match_is_known_when_something_is_selected(board, selection, service, follow):
    await service.submit_many([Submission(kind="noop") for _ in range(1500)])
    await service.submit(Submission(kind="slow"))

    counted = [await selection.toggle(ids(board)[0], PLAIN), await selection.toggle(ids(board)[1], PLAIN)]
    assert ["count_matching" in str(each) for each in counted] == [True, False]

    for text, number in (("", 1507), ("kind:slow", 1)):
        await follow(board, board.find({"q": text}))
        await selection.select_all_matching()
        assert selection.matching == number


async def test_what_the_list_tells_is_kept_in_the_list_of_messages(board, selection, database_away):
    views, notifications = await board.get_state(Views), await board.get_state(OwnNotifications)
    await selection.toggle(ids(board)[0], PLAIN)

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


async def test_rows_do_not_move_while_some_are_selected(board, selection, service):
    before = ids(board)
    await selection.toggle(before[0], PLAIN)
    await submitted(service)

    await board.refresh()

    assert (ids(board), board.newer) == (before, 1)
    await board.show_newer()
    assert (len(ids(board)), board.newer) == (7, 0)


async def test_rows_do_not_move_under_the_pointer_until_it_leaves(board, service, store):
    before = ids(board)
    board.hold()
    await submitted(service)
    await service.delete((await store.page()).jobs[3].id)

    await board.refresh()

    assert (ids(board), board.newer) == (before, 1)
    assert [row["live"]["status"] for row in board.rows].count("deleted") == 1
    await board.let_go()
    assert (len(ids(board)), board.newer) == (6, 0)


async def test_older_jobs_that_move_up_are_not_new(board, service, tab, visit):
    await service.submit_many([Submission(kind="noop") for _ in range(PAGE_SIZE)])
    await board.load()
    shown = ids(board)
    board.hold()
    await service.delete(UUID(shown[0]))
    await service.delete(UUID(shown[3]))

    await board.refresh()
    assert (ids(board), board.newer) == (shown, 0)
    for job_id in (*shown[1:3], *shown[4:]):
        await service.delete(UUID(job_id))
    await board.refresh()
    assert (ids(board), board.newer) == (shown, 0)
    await submitted(service)
    await board.refresh()
    assert (ids(board), board.newer) == (shown, 1)


async def test_a_deleted_row_leaves_when_the_pointer_does_though_nothing_is_new(board, service):
    first, *others = ids(board)
    board.hold()
    await service.delete(UUID(first))
    await board.refresh()

    await board.let_go()

    assert ids(board) == others


async def test_in_another_order_what_comes_last_is_not_new_above(tab, visit, board, service):
    visit(routes.DASHBOARD, "/?sort=created_at", sort="created_at")
    await board.load()
    board.hold()
    await submitted(service)

    await board.refresh()

    assert board.newer == 0


async def test_a_preview_counts_what_would_be_done_and_what_left_alone(board, selection, service):
    await running(service)
    await board.load()
    await selection.toggle_page()

    await selection.ask("delete")

    assert (selection.action, selection.affected, selection.left_alone) == ("delete", 6, ["1 running"])


async def test_all_that_match_are_counted_beyond_the_page(board, selection, service):
    await service.submit_many([Submission(kind="noop") for _ in range(50)])
    await selection.toggle(ids(board)[0], PLAIN)

    await selection.select_all_matching()
    await selection.ask("cancel")

    assert (selection.matching, selection.affected) == (56, 56)


async def test_a_deletion_of_selected_rows_is_undone_by_its_operation(board, selection, store):
    chosen = JobFilter(ids=tuple(UUID(job_id) for job_id in ids(board)[:2]))
    deleted = await runtime.current().operations.do("delete", chosen)
    selection._show("delete", deleted)
    assert (selection.report, selection.undoable) == ("2 of 2 jobs deleted.", True)

    await selection.bring_back()
    assert (selection.report, selection.undoable) == ("2 jobs are back.", False)
    await selection.bring_back()

    assert await store.count(JobFilter()) == 6
    assert await runtime.current().operations.newest(5) == []


async def test_an_action_on_selected_rows_is_stopped_by_its_operation(board, selection, monkeypatch):
    monkeypatch.setattr("runlane.bulk.execution.SAVE_EVERY_S", 0.0)

    async def stop_after_the_first(operation):
        selection._operation = operation.id
        if operation.done == 1:
            await selection.stop()

    report = await runtime.current().operations.do("cancel", JobFilter(), stop_after_the_first)
    selection._show("cancel", report)

    assert selection.report == "2 of 2 jobs cancelled. Stopped after 2."


async def test_many_jobs_are_left_to_the_server(board, selection, service):
    await service.submit_many([Submission(kind="noop") for _ in range(MAX_UNLISTED)])

    message = await selection._leave_to_server("cancel", JobFilter())

    assert "The server does it: 206 jobs, seen above the list." in str(message)
    [begun] = await runtime.current().operations.newest(5)
    assert (begun.action, begun.total, begun.taken_by) == ("cancel", 206, None)


async def test_a_failure_says_whether_the_server_goes_on(board, selection):
    selection.total, selection.done = 5, 2
    selection._show_failure(Unavailable("The database does not answer."))
    assert selection.report == "The database does not answer. Nothing was done."

    selection._operation = UUID(int=1)
    selection._show_failure(Unavailable("The database does not answer."))

    assert selection.report.endswith("2 of 5 jobs done so far; the server goes on as soon as it can.")


async def test_selecting_a_row_by_hand_ends_selecting_all_that_match(board, selection):
    await selection.toggle_page()
    await selection.select_all_matching()

    await selection.toggle(ids(board)[0], PLAIN)

    assert not selection.whole


@pytest.mark.parametrize(("action", "chosen"), [("explode", True), ("delete", False), ("restore", True)])
async def test_what_a_client_invents_is_not_asked(board, selection, action, chosen):
    if chosen:
        await selection.toggle_page()

    await selection.ask(action)

    assert selection.action == ""


async def test_rows_that_are_not_shown_cannot_be_selected(board, selection):
    await selection.toggle("x" * 10_000, PLAIN)

    assert selection.selected == []


async def test_views_are_kept_under_a_name_and_replaced_and_removed(tab, visit, board):
    visit(routes.DASHBOARD, "/?status=failed", status="failed")
    await board.load()
    views = await board.get_state(Views)

    await views.save({"name": "Broken"})
    await views.save({"name": "Broken"})
    await views.save({"name": " "})

    assert views.saved == [{"name": "Broken", "address": "?status=failed"}]
    assert "status=failed" in str(views.show("?status=failed&x=y"))
    views.remove("Broken")
    assert views.saved == []


@pytest.mark.parametrize("kept", ["", "x", "5", "[1]", '[{"name": "a"}]', "null"])
async def test_what_a_browser_kept_may_be_anything(board, kept):
    views = await board.get_state(Views)
    views.kept = kept

    assert views.saved == []


async def test_the_search_box_knows_the_workers_there_are(board, world):
    await world.registry.beat(worker())

    await board.suggest("status:failed worker:")

    assert board.suggested == ["status:failed worker:host-1"]


async def test_a_query_that_cannot_be_read_is_shown_with_its_wrong_character(tab, visit, board):
    visit(routes.DASHBOARD, "/?q=kind%3Anoop+status%3Adone")

    await board.load()

    assert board.wrong == ["kind:noop status:", "d", "one"]
    assert JobStatus.COMPLETED in board.trouble
