"""What is done to many jobs: previewed, done by a call or the server, stopped, undone, resumed after a restart."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from runlane.audit import acting_as
from runlane.background import end_tasks
from runlane.bulk.execution import LeftAlone, TakenOver
from runlane.bulk.service import MAX_UNLISTED, OperationReport, Operations, needs_confirmation
from runlane.bulk.store import MAX_IDS, TAKEN_FOR, UNLISTED, UNLISTED_KEPT_FOR, OperationState, OperationStore, Progress
from runlane.clock import utc_now
from runlane.core.attempts import cancelled, completed, failed
from runlane.core.deletion import UNDO_WITHIN
from runlane.errors import NothingToDo, OperationNotFound, Unavailable, WrongStatus
from runlane.model.requests import Submission
from runlane.model.snapshot import Deleted, JobError
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter
from runlane.search.query import QueryError
from testbed.attempts import end_attempt, start_attempt
from testbed.waiting import until
from tests.support.jobs import running, submitted
from tests.support.tabs import NOBODY

pytestmark = pytest.mark.databases

EVERYTHING = JobFilter()
FAILED = JobFilter(statuses=(JobStatus.FAILED,))
QUEUED = JobFilter(statuses=(JobStatus.QUEUED,))


@pytest.fixture
async def operations(world):
    """Operations of a server at work."""
    task = asyncio.create_task(world.operations.run())
    yield world.operations
    await end_tasks(task)


async def over(operations, operation):
    return await until(lambda: operations.store.get(operation.id), lambda found: found.state.is_over)


async def failures(service, count):
    jobs = [await running(service) for _ in range(count)]
    for job in jobs:
        await end_attempt(service, failed(job.id, 1, JobError(type="ValueError", message="x"), retry_at=None))
    return jobs


async def test_everything_that_matches_is_retried_and_reported(service, operations, audit, store):
    jobs = await failures(service, 5)
    waiting = await submitted(service)

    with acting_as("ada"):
        begun = await operations.begin("retry", EVERYTHING)
    done = await over(operations, begun)

    assert (begun.total, done.done, done.left_alone, done.who) == (5, 5, 1, "ada")
    assert done.reasons == [
        {
            "id": str(waiting.id),
            "reason": f"Job {waiting.short_id} is queued; only failed or cancelled jobs can be retried.",
        }
    ]
    assert {(await store.get(job.id)).status for job in jobs} == {JobStatus.QUEUED}
    assert {(a.who, a.action) for a in await audit.page()} == {("ada", "retry")}
    assert (await store.events(jobs[0].id))[-1].data["by"] == "ada"


async def test_cleaning_removes_for_good_what_matches_and_does_not_run(service, operations, world, counts, store):
    await failures(service, 3)
    kept, runs = await submitted(service), await running(service)

    await over(operations, await operations.begin("clean", FAILED))
    assert set(await counts.all()) >= {JobStatus.QUEUED}
    assert (await store.count(FAILED), await store.count(EVERYTHING)) == (0, 2)
    await over(operations, await operations.begin("clean", EVERYTHING))

    assert [job.id for job in (await store.page()).jobs] == [runs.id]
    announced = [item.deleted for item in world.events.published if isinstance(item, Deleted)]
    assert [len(ids) for ids in announced] == [3, 1]
    assert kept.id not in await world.queue.head(5)
    assert not await store.statuses([kept.id])


@pytest.mark.parametrize(
    ("job_filter", "expected"),
    [
        (EVERYTHING, (2, "2 still running: cancel first, or obliterate.")),
        (QUEUED, (1, "1 no longer there, or not as they were, when their turn came; some may have started.")),
    ],
)
async def test_cleaning_reports_how_many_it_left_alone_and_why(
    service, operations, monkeypatch, job_filter, expected, store
):
    starts, *_ = [await submitted(service) for _ in range(3)]
    runs = await running(service)
    clean = service.clean

    async def one_starts_first(*given):
        if await store.statuses([starts.id]) == {starts.id: JobStatus.QUEUED}:
            await start_attempt(service, starts.id, "worker-1")
        return await clean(*given)

    monkeypatch.setattr(service, "clean", one_starts_first)
    done = await over(operations, await operations.begin("clean", job_filter))

    assert (done.left_alone, [each["reason"] for each in done.reasons]) == (expected[0], [expected[1]])
    assert (done.done, {job.id for job in (await store.page()).jobs}) == (2, {starts.id, runs.id})


@pytest.mark.parametrize(
    ("action", "wanted", "needs"),
    [
        ("obliterate", JobFilter(kinds=("noop",)), True),
        ("clean", EVERYTHING, True),
        ("clean", JobFilter(text="  "), True),
        ("clean", JobFilter(statuses=tuple(JobStatus)), True),
        ("clean", FAILED, False),
        ("clean", JobFilter(kinds=("noop",)), False),
        ("delete", EVERYTHING, False),
    ],
)
def test_a_word_is_needed_where_everything_goes_for_good(action, wanted, needs):
    assert needs_confirmation(action, wanted) is needs


async def test_only_what_is_old_is_cleaned(service, operations, store):
    job = await running(service)
    await end_attempt(service, completed(job.id, 1, None))

    with pytest.raises(NothingToDo, match="matches no job; nothing was begun"):
        await operations.begin("clean", JobFilter(finished_before=utc_now() - timedelta(days=1)))
    await over(operations, await operations.begin("clean", JobFilter(finished_before=utc_now())))

    assert await store.count(EVERYTHING) == 0


async def test_obliterating_stops_what_runs_first(service, operations, store):
    job, waiting = await running(service), await submitted(service)

    begun = await operations.begin("obliterate", EVERYTHING)
    await until(lambda: store.get(job.id), lambda found: found.cancel_requested_at is not None)
    assert not await store.statuses([waiting.id])
    await end_attempt(service, cancelled(job.id, 1, "Cancelled."))

    done = await over(operations, begun)
    assert (done.done, done.left_alone, await store.count(EVERYTHING)) == (2, 0, 0)


async def test_a_job_that_ends_just_before_it_is_stopped_does_not_stop_the_rest(
    service, operations, monkeypatch, store
):
    job = await running(service)
    cancel = service.cancel

    async def too_late(job_id):
        await end_attempt(service, completed(job_id, 1, None))
        return await cancel(job_id)

    monkeypatch.setattr(service, "cancel", too_late)
    done = await over(operations, await operations.begin("obliterate", EVERYTHING))

    assert (done.state, done.done) == (OperationState.DONE, 1)
    assert not await store.statuses([job.id])


async def test_what_does_not_stop_is_left_alone(service, operations, monkeypatch):
    monkeypatch.setattr("runlane.bulk.execution.STOPPED_WITHIN_S", 0.0)
    job = await running(service)

    done = await over(operations, await operations.begin("obliterate", EVERYTHING))

    assert (done.done, done.left_alone) == (0, 1)
    assert done.reasons == [{"id": str(job.id), "reason": f"Job {job.short_id} still runs."}]


async def test_a_preview_counts_and_weighs(service, operations):
    for _ in range(3):
        await submitted(service, kind="web_agent", params={"goal": "x" * 1900})
    await running(service)

    preview = await operations.preview("clean", EVERYTHING)

    assert (preview.affected, preview.left_alone) == (3, {JobStatus.RUNNING: 1})
    assert 3 * 1500 < preview.bytes < 3 * 4000
    assert (await operations.preview("clean", FAILED)).bytes == 0


@pytest.mark.parametrize(("action", "wanted"), [("clean", FAILED), ("promote", EVERYTHING), ("retry", EVERYTHING)])
async def test_nothing_is_begun_when_there_is_nothing_to_do(service, operations, action, wanted):
    await submitted(service)

    with pytest.raises(NothingToDo, match="nothing was begun"):
        await operations.begin(action, wanted)

    assert await operations.store.newest(5) == []
    with pytest.raises(QueryError):
        await operations.begin(action, JobFilter(text="status:"))


async def test_one_that_is_stopped_reports_its_progress(service, operations, monkeypatch, store):
    jobs = [await submitted(service) for _ in range(20)]
    held, cancel, cancelled = asyncio.Event(), service.cancel, []

    async def slow(job_id):
        cancelled.append(job_id)
        if len(cancelled) == 5:
            await held.wait()
        return await cancel(job_id)

    monkeypatch.setattr(service, "cancel", slow)
    monkeypatch.setattr("runlane.bulk.execution.SAVE_EVERY_S", 0.0)
    begun = await operations.begin("cancel", EVERYTHING)
    await until(lambda: _value(len(cancelled)), lambda count: count == 5)

    assert (await operations.stop(begun.id)).state is OperationState.STOPPING
    held.set()
    ended = await over(operations, begun)

    assert (ended.state, ended.done) == (OperationState.STOPPED, 5)
    assert (await store.get(jobs[10].id)).status is JobStatus.QUEUED
    assert (await operations.stop(begun.id)).state is OperationState.STOPPED
    with pytest.raises(OperationNotFound):
        await operations.stop(UUID(NOBODY))


async def _value(value):
    return value


async def test_a_deletion_of_many_is_undone_and_leaves_other_deletions_alone(service, operations, world, store):
    jobs, ended = [await submitted(service) for _ in range(4)], await failures(service, 2)
    alone = await submitted(service)
    await service.delete(alone.id)
    deleted = await over(operations, await operations.begin("delete", EVERYTHING))

    with acting_as("ada"):
        begun = await operations.undo(deleted.id)
    restored = await over(operations, begun)

    assert (begun.action, begun.undoes, begun.total, begun.who) == ("restore", deleted.id, 6, "ada")
    assert (restored.state, restored.done, restored.left_alone) == (OperationState.DONE, 6, 0)
    assert (await operations.store.get(deleted.id)).state is OperationState.UNDONE
    assert set(await store.statuses([alone.id, *(job.id for job in jobs + ended)])) == {job.id for job in jobs + ended}
    assert sorted(world.queue.in_order()) == sorted(str(job.id) for job in jobs)
    assert await store.count(FAILED) == 2


async def test_what_many_were_deleted_with_is_kept_until_ten_seconds_after_its_end(
    service, operations, monkeypatch, removal
):
    jobs = [await submitted(service) for _ in range(3)]
    held, delete, reached = asyncio.Event(), service.delete, asyncio.Event()

    async def slow(job_id, **operation):
        if job_id == jobs[-1].id:
            reached.set()
            await held.wait()
        await delete(job_id, **operation)

    monkeypatch.setattr(service, "delete", slow)
    begun = await operations.begin("delete", EVERYTHING)
    await reached.wait()
    assert await removal.purge(utc_now() + timedelta(hours=1)) == 0
    held.set()
    done = await over(operations, begun)

    assert await removal.purge(done.ended_at + UNDO_WITHIN) == 0
    assert await removal.purge(done.ended_at + UNDO_WITHIN + timedelta(seconds=1)) == 3


async def test_what_is_being_brought_back_is_not_purged_however_long_that_takes(service, world, removal):
    await submitted(service)
    operations = world.operations
    task = asyncio.create_task(operations.run())
    deleted = await over(operations, await operations.begin("delete", EVERYTHING))
    await end_tasks(task)

    await operations.undo(deleted.id)

    assert await removal.purge(utc_now() + timedelta(hours=1)) == 0
    assert await removal.any_deleted()


async def test_what_cannot_be_undone_is_refused_with_the_reason(service, operations, world):
    await failures(service, 2)
    retried = await over(operations, await operations.begin("retry", EVERYTHING))
    deleted = await over(operations, await operations.begin("delete", EVERYTHING))
    with pytest.raises(WrongStatus, match="Only a deletion"):
        await operations.undo(retried.id)

    with pytest.raises(OperationNotFound):
        await operations.undo(UUID(NOBODY))
    await over(operations, await operations.undo(deleted.id))
    with pytest.raises(WrongStatus, match="undone already"):
        await operations.undo(deleted.id)

    again = await over(operations, await operations.begin("delete", EVERYTHING))
    await _change(world, again, ended_at=utc_now() - UNDO_WITHIN)

    with pytest.raises(WrongStatus, match="gone for good"):
        await operations.undo(again.id)


async def test_two_who_undo_the_same_deletion_undo_it_once(service, operations):
    await failures(service, 2)
    deleted = await over(operations, await operations.begin("delete", EVERYTHING))

    both = await asyncio.gather(*(operations.undo(deleted.id) for _ in range(2)), return_exceptions=True)

    assert sorted(isinstance(each, WrongStatus) for each in both) == [False, True]
    assert [each.action for each in await operations.store.newest(5)] == ["restore", "delete"]


async def test_another_server_goes_on_where_a_lost_one_was(service, world):
    jobs = await failures(service, 6)
    lost, other = (
        world.operations,
        Operations(OperationStore(world.database), service, world.store, world.services.removal),
    )
    begun = await lost.begin("retry", EVERYTHING)
    taken = await lost.store.take("lost", utc_now() - TAKEN_FOR * 2)
    for job in jobs[:3]:
        await service.retry(job.id)
    await lost.store.save_progress(taken, Progress(3, 0, [], jobs[2].id))
    assert await other.store.take("other", utc_now()) is None
    await _change(world, begun, seen_at=utc_now() - TAKEN_FOR * 2)

    task = asyncio.create_task(other.run())
    done = await over(other, begun)
    await end_tasks(task)

    assert (done.done, done.left_alone) == (6, 0)
    assert await lost.store.save_progress(taken, Progress(1, 0, [], None)) is None


async def _change(world, operation, **values):
    """Make it look as if it had happened at other times."""
    from sqlalchemy import update

    from runlane.bulk.store import operation_table

    mine = operation_table.c.id == operation.id
    await world.store._db.write(lambda db: db.execute(update(operation_table).where(mine).values(**values)))


async def test_one_that_fails_oddly_is_stopped_and_the_next_is_done(service, operations, monkeypatch, caplog):
    await failures(service, 1)
    monkeypatch.setattr(service, "clean", None)
    odd = await over(operations, await operations.begin("clean", FAILED))
    done = await over(operations, await operations.begin("retry", FAILED))

    assert (odd.state, done.state) == (OperationState.STOPPED, OperationState.DONE)
    assert f"Operation {odd.id} failed and is stopped." in caplog.text


async def test_it_waits_while_the_database_is_away(service, operations, monkeypatch, store):
    await failures(service, 3)
    retry, calls = service.retry, []

    async def away_once(job_id):
        calls.append(job_id)
        if len(calls) == 2:
            raise Unavailable("away")
        return await retry(job_id)

    monkeypatch.setattr(service, "retry", away_once)
    done = await over(operations, await operations.begin("retry", FAILED))

    assert done.state is OperationState.DONE
    assert await store.count(FAILED) == 0


def named(*jobs):
    return JobFilter(ids=tuple(getattr(job, "id", job) for job in jobs))


async def test_a_call_does_what_it_can_and_reports_why_it_left_the_rest_alone(service, world):
    waiting, busy, unknown = await submitted(service), await running(service), uuid4()

    report = await world.operations.do("delete", named(waiting, busy, unknown, waiting))

    assert (report.matched, report.done, report.stopped) == (3, 1, False)
    reasons = {each.id: each.reason for each in report.left_alone}
    assert "cancel it first" in reasons[busy.id]
    assert "There is no job" in reasons[unknown]


async def test_a_dry_run_reports_what_a_call_would_do_and_changes_nothing(service, store, world):
    jobs, busy, unknown = [await submitted(service) for _ in range(3)], await running(service), uuid4()

    by_filter = await world.operations.dry_run("delete", EVERYTHING)
    by_ids = await world.operations.dry_run("delete", named(jobs[0], unknown, jobs[0]))

    left = LeftAlone(busy.id, f"Job {busy.short_id} is running; it would be left alone.")
    assert by_filter == OperationReport(None, 3, [left])
    assert (by_ids.done, [each.id for each in by_ids.left_alone]) == (1, [unknown])
    assert "There is no job" in by_ids.left_alone[0].reason
    assert await store.count(EVERYTHING) == len(jobs) + 1


async def test_a_call_reaches_every_match_however_many(service, store, world):
    await service.submit_many([Submission(kind="noop") for _ in range(700)])
    other, _ = await service.submit(Submission(kind="slow"))

    report = await world.operations.do("cancel", JobFilter(kinds=("noop",)))

    assert (report.matched, report.done, report.left_alone) == (700, 700, [])
    assert (await store.get(other.id)).status is JobStatus.QUEUED


async def test_jobs_that_are_named_are_done_in_the_order_they_were_named(service, world):
    jobs = await service.submit_many([Submission(kind="noop") for _ in range(520)])
    await world.operations.do("cancel", EVERYTHING)
    backwards = jobs[::-1]

    report = await world.operations.do("retry", named(*backwards))

    assert report.done == len(jobs)
    assert [change.job.id for change in world.events.published[-len(jobs) :]] == [job.id for job in backwards]


async def test_all_scheduled_jobs_are_promoted_at_once(service, world):
    for _ in range(3):
        await submitted(service, delay_s=3600)
    waiting = await submitted(service)

    report = await world.operations.do("promote", EVERYTHING)

    assert (report.matched, report.done) == (4, 3)
    assert [each.id for each in report.left_alone] == [waiting.id]


@pytest.mark.parametrize("action", ["cancel", "restore"])
async def test_a_call_about_no_job_reports_so_and_leaves_no_trace(service, world, action):
    assert await world.operations.do(action, named()) == OperationReport()
    assert await world.operations.do("cancel", FAILED) == OperationReport()
    assert await world.operations.dry_run("cancel", FAILED) == OperationReport()


async def test_a_small_call_is_in_no_list_and_in_the_audit_job_by_job(service, world, audit):
    jobs = [await submitted(service) for _ in range(2)]

    with acting_as("ada"):
        await world.operations.do("cancel", named(*jobs))

    assert await world.operations.newest(5) == []
    assert not world.operations.changed.is_set()
    audited = {(each.who, each.action, each.target, each.name) for each in await audit.page()}
    assert audited == {("ada", "cancel", "job", str(job.id)) for job in jobs}


async def test_a_large_call_is_listed_and_in_the_audit_as_a_whole(service, world, audit):
    jobs = await service.submit_many([Submission(kind="noop") for _ in range(MAX_UNLISTED + 1)])

    report = await world.operations.do("delete", named(*jobs))

    [listed] = await world.operations.newest(5)
    assert (listed.id, listed.state, listed.done) == (report.operation, OperationState.DONE, len(jobs))
    assert (len(listed.filter.ids), world.operations.changed.is_set()) == (MAX_IDS, True)
    [whole] = [each for each in await audit.page(limit=1000) if each.target == "jobs"]
    assert (whole.action, whole.after["jobs"], len(whole.after["ids"])) == ("delete", len(jobs), MAX_IDS)


async def test_a_deletion_by_a_call_is_undone_by_its_operation(service, world, store):
    jobs, other = [await submitted(service) for _ in range(3)], await submitted(service)
    await service.delete(other.id)
    deleted = await world.operations.do("delete", named(*jobs))

    report = await world.operations.undo_here(deleted.operation)

    assert (report.done, report.left_alone) == (3, [])
    assert set(await store.statuses([job.id for job in (*jobs, other)])) == {job.id for job in jobs}
    assert await world.operations.newest(5) == []
    with pytest.raises(WrongStatus, match="undone already"):
        await world.operations.undo_here(deleted.operation)


async def test_jobs_that_are_named_are_brought_back(service, world):
    jobs, there = [await submitted(service) for _ in range(2)], await submitted(service)
    await world.operations.do("delete", named(*jobs))

    report = await world.operations.do("restore", named(*jobs, there))

    assert (report.matched, report.done) == (3, 2)
    assert "is not deleted" in report.left_alone[0].reason


async def test_a_call_reports_its_progress_and_is_stopped_after_the_job_at_hand(
    service, world, monkeypatch, audit, store
):
    monkeypatch.setattr("runlane.bulk.execution.SAVE_EVERY_S", 0.0)
    jobs, progress = [await submitted(service) for _ in range(5)], []

    async def follow(operation):
        progress.append(operation.done)
        if operation.done == 2:
            await world.operations.stop(operation.id)

    report = await world.operations.do("cancel", EVERYTHING, follow)

    assert (report.matched, report.done, report.stopped, progress) == (3, 3, True, [0, 1, 2, 3])
    assert (await store.get(jobs[4].id)).status is JobStatus.QUEUED
    assert [each.action for each in await audit.page()] == ["cancel"] * 3


async def test_what_a_call_could_not_end_is_finished_by_a_server_and_listed(service, operations, world, monkeypatch):
    jobs, cancel = [await submitted(service) for _ in range(4)], service.cancel

    async def away(job_id):
        if job_id == jobs[2].id:
            raise Unavailable("The database does not answer.")
        return await cancel(job_id)

    monkeypatch.setattr(service, "cancel", away)
    monkeypatch.setattr("runlane.bulk.execution.SAVE_EVERY_S", 0.0)
    begun = []

    async def follow(operation):
        begun.append(operation)

    with pytest.raises(Unavailable):
        await operations.do("cancel", named(*jobs), follow)
    assert await operations.store.take("other", utc_now()) is None
    monkeypatch.setattr(service, "cancel", cancel)
    await _change(world, begun[0], seen_at=utc_now() - TAKEN_FOR * 2)
    operations._begun.set()
    done = await over(operations, begun[0])

    assert (done.state, done.done, done.left_alone) == (OperationState.DONE, 4, 0)
    assert [each.id for each in await operations.newest(5)] == [done.id]


async def test_a_call_whose_operation_another_server_took_names_where_to_follow_it(service, world):
    jobs = [await submitted(service) for _ in range(2)]

    async def lose(operation):
        await _change(world, operation, taken_by="other")

    with pytest.raises(TakenOver, match=r"GET /api/operations/.+ shows its progress") as refusal:
        await world.operations.do("cancel", named(*jobs), lose)

    assert refusal.value.status_code == 503


async def test_a_call_that_fails_unexpectedly_is_not_resumed(service, world, monkeypatch):
    await submitted(service)
    monkeypatch.setattr(service, "cancel", None)
    begun = []

    async def follow(operation):
        begun.append(operation)

    with pytest.raises(TypeError):
        await world.operations.do("cancel", EVERYTHING, follow)

    assert (await world.operations.get(begun[0].id)).state is OperationState.STOPPED


async def test_the_row_of_a_small_call_goes_when_nobody_can_need_it_any_more(service, world):
    begun = []

    async def follow(operation):
        begun.append(operation)

    for _ in range(2):
        await submitted(service)
        await world.operations.do("cancel", QUEUED, follow)
    past = begun[0]
    assert past.taken_by.startswith(UNLISTED)
    await _change(world, past, ended_at=utc_now() - UNLISTED_KEPT_FOR * 2)

    await submitted(service)
    await world.operations.do("cancel", QUEUED)

    with pytest.raises(OperationNotFound):
        await world.operations.get(past.id)
    assert await world.operations.get(begun[-1].id)
