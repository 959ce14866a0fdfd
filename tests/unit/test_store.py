"""Lists, pages, filters, timelines and files, read back as they were written."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from runlane.core.attempts import HandlerMessage, Report, completed, failed
from runlane.core.insertion import Idempotency, NewJob
from runlane.core.pagination import SORTS
from runlane.core.store import Store
from runlane.db.database import Database
from runlane.errors import InvalidInput, JobNotFound
from runlane.model.snapshot import JobError, Part
from runlane.model.status import EventType, JobStatus
from runlane.search.matching import JobFilter
from testbed.attempts import end_attempt, start_attempt
from testbed.waiting import until
from tests.support.jobs import running, submitted

pytestmark = pytest.mark.databases


async def many(store, count, **more):
    changes, _ = await store.insert(
        [NewJob(kind="noop", params={}, max_attempts=1, priority=n % 3, **more) for n in range(count)]
    )
    return [change.job for change in changes]


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_show_every_job_once_in_every_order(store, sort):
    jobs = await many(store, 25)

    found, cursor = [], None
    while True:
        page = await store.page(sort=sort, limit=4, cursor=cursor)
        found += page.jobs
        cursor = page.next_cursor
        if cursor is None:
            break

    field = sort.removeprefix("-")
    keys = [(getattr(job, field), job.id) for job in found]
    assert keys == sorted(keys, reverse=sort.startswith("-"))
    assert {job.id for job in found} == {job.id for job in jobs}
    assert len(found) == 25


async def ended(service, size, **more):
    job = await running(service, **more)
    return await end_attempt(service, completed(job.id, 1, "r" * size))


async def test_a_listing_leaves_out_what_is_large_and_names_it(store, service, monkeypatch):
    monkeypatch.setattr("runlane.core.reader.SMALL_PARAMS", 1000)
    plain = await submitted(service, kind="web_agent")
    large = await submitted(service, kind="web_agent", params={"goal": "ä" * 2000})
    with_result = await ended(service, 10)
    failing = await running(service)
    error = JobError(type="ValueError", message="no", traceback="Traceback ...")
    await end_attempt(service, failed(failing.id, 1, error, retry_at=None))

    found = {job.id: job for job in (await store.listing()).jobs}

    assert {job.id: [str(part) for part in job.omitted] for job in found.values()} == {
        plain.id: [],
        large.id: ["params"],
        with_result.id: ["result"],
        failing.id: ["traceback"],
    }
    assert (found[plain.id].params, found[large.id].params) == (plain.params, {})
    assert (found[with_result.id].result, found[failing.id].error) == (None, error.model_copy(update={"traceback": ""}))


@pytest.mark.parametrize("part", Part)
async def test_a_listing_has_the_parts_that_are_asked_for(store, service, part, monkeypatch):
    monkeypatch.setattr("runlane.core.reader.SMALL_PARAMS", 1000)
    job = await running(service, kind="web_agent", params={"goal": "ä" * 2000})
    error = JobError(type="ValueError", message="no", traceback="Traceback ...")
    await end_attempt(service, failed(job.id, 1, error, retry_at=None))
    other = await ended(service, 10)

    found = {job.id: job for job in (await store.listing(parts=[part])).jobs}

    assert found[job.id].error == (error if part is Part.TRACEBACK else error.model_copy(update={"traceback": ""}))
    assert found[job.id].params == (job.params if part is Part.PARAMS else {})
    assert found[other.id].result == ("r" * 10 if part is Part.RESULT else None)
    assert part not in {*found[job.id].omitted, *found[other.id].omitted}


async def test_a_listing_with_large_parts_ends_early_and_goes_on(store, service, monkeypatch):
    monkeypatch.setattr("runlane.core.reader.MAX_BYTES", 2500)
    jobs = [await ended(service, size) for size in (1000, 1000, 1000, 4000, 10, 10)]

    found, cursor = [], None
    while not found or cursor:
        page = await store.listing(sort="created_at", cursor=cursor, parts=[Part.RESULT])
        found.append([len(job.result) for job in page.jobs])
        cursor = page.next_cursor

    assert found == [[1000, 1000], [1000], [4000], [10, 10]]
    assert [job.id async for job in store.whole([job.id for job in jobs])] == [job.id for job in jobs]


async def test_counts_of_connections_that_have_ended_are_added_up(
    database_url, store, plain_sql, database_kind, counts
):
    for _ in range(3):
        database = Database(database_url)
        await many(Store(database), 2)
        await database.close()

    await until(lambda: _folded(counts, plain_sql), lambda rows: rows <= (2 if database_kind == "postgresql" else 6))

    assert (await counts.all())[JobStatus.QUEUED] == 6


async def _folded(counts, plain_sql):
    """How many rows there are after folding; a connection is listed for a moment after it has ended."""
    await counts.fold()
    return plain_sql("SELECT count(*) FROM job_count")[0][0]


async def test_jobs_of_the_same_moment_are_each_shown_once(store, plain_sql):
    jobs = await many(store, 10)
    plain_sql("UPDATE job SET created_at = (SELECT min(created_at) FROM job)")

    first = await store.page(limit=4)
    second = await store.page(limit=4, cursor=first.next_cursor)
    third = await store.page(limit=4, cursor=second.next_cursor)

    shown = [job.id for page in (first, second, third) for job in page.jobs]
    assert shown == sorted((job.id for job in jobs), reverse=True)


async def test_new_jobs_do_not_shift_the_pages_that_follow(store):
    first = await many(store, 6)
    page = await store.page(limit=3)
    await many(store, 5)

    following = await store.page(limit=3, cursor=page.next_cursor)

    assert [job.id for job in page.jobs + following.jobs] == [job.id for job in reversed(first)]


@pytest.mark.parametrize("cursor", ["", "abc", "e30=", "WyItY3JlYXRlZF9hdCIsIDEsIDJd", "é", "\x00"])
async def test_a_cursor_from_elsewhere_is_refused(store, cursor):
    with pytest.raises(InvalidInput) as refusal:
        await store.page(cursor=cursor)

    assert refusal.value.errors[0].field == "cursor"


async def test_a_cursor_of_another_order_is_refused(store):
    await many(store, 3)
    cursor = (await store.page(limit=1, sort="priority")).next_cursor

    with pytest.raises(InvalidInput, match="made for the order 'priority'"):
        await store.page(cursor=cursor)


async def test_filters_narrow_by_status_kind_time_and_words(store, service):
    old, slow = await submitted(service), None
    slow = (await store.insert([NewJob(kind="slow", params={"note": "Über den Wolken"}, max_attempts=1)]))[0][0].job
    busy = await running(service)

    async def found(**parts):
        return {job.id for job in (await store.page(JobFilter(**parts))).jobs}

    assert await found(statuses=(JobStatus.RUNNING,)) == {busy.id}
    assert await found(statuses=(JobStatus.RUNNING, JobStatus.QUEUED)) == {old.id, slow.id, busy.id}
    assert await found(kinds=("slow",)) == {slow.id}
    assert await found(text="wolken") == {slow.id}
    assert await found(text="slow den") == {slow.id}
    assert await found(text=str(busy.id)[:-2]) == {busy.id}
    assert await found(text="100%") == set()
    assert await found(created_after=old.created_at) == {slow.id, busy.id}
    assert await found(created_before=slow.created_at) == {old.id}
    assert await found(created_before=old.created_at - timedelta(days=1)) == set()


async def test_a_brief_page_leaves_out_what_may_be_large(store, service):
    job = await running(service)
    await end_attempt(service, completed(job.id, 1, "x" * 1000))

    [brief] = (await store.page(brief=True)).jobs
    [whole] = (await store.page()).jobs

    assert (brief.params, brief.result) == ({}, None)
    assert len(whole.result) == 1000


async def test_counts_name_every_status(store, service, counts):
    await submitted(service)
    await running(service)

    assert await counts.all() == {status: 0 for status in JobStatus} | {JobStatus.QUEUED: 1, JobStatus.RUNNING: 1}


async def test_counts_are_kept_for_each_kind(store, service, counts):
    await submitted(service)
    other = await submitted(service, kind="flaky")
    await service.cancel(other.id)

    assert await counts.by_kind() == {
        "flaky": dict.fromkeys(JobStatus, 0) | {JobStatus.CANCELLED: 1},
        "noop": dict.fromkeys(JobStatus, 0) | {JobStatus.QUEUED: 1},
    }


async def test_counts_are_kept_through_every_change_and_deletion(store, service, counts):
    jobs = [await submitted(service) for _ in range(4)]
    await service.cancel(jobs[0].id)
    await start_attempt(service, jobs[1].id, "worker-1")
    await end_attempt(service, completed(jobs[1].id, 1, None))
    await service.delete(jobs[0].id)
    await service.delete(jobs[2].id)

    assert await counts.all() == {status: 0 for status in JobStatus} | {JobStatus.QUEUED: 1, JobStatus.COMPLETED: 1}


async def test_notes_raise_the_version_by_one_each_and_keep_their_order(store, service):
    job = await running(service)

    notes = [
        HandlerMessage(EventType.PROGRESS, message="Opening", progress=10.0),
        HandlerMessage(EventType.LOG, log_message="a line", data={"level": "info"}),
        HandlerMessage(EventType.PROGRESS, progress=20.0),
    ]
    [changes] = await store.record([Report(job.id, 1, notes)])

    assert [change.job.version for change in changes] == [3, 4, 5]
    assert [change.event.message for change in changes] == ["Opening", "a line", "Opening"]
    assert [change.job.progress for change in changes] == [10, 10, 20]
    assert await store.get(job.id) == changes[-1].job


async def test_a_timeline_is_read_from_either_end_and_by_type(store, service):
    job = await running(service)
    await store.record([Report(job.id, 1, [HandlerMessage(EventType.LOG, log_message=str(n)) for n in range(10)])])

    assert [e.version for e in await store.events(job.id, after=3, limit=2)] == [4, 5]
    assert [e.version for e in await store.events(job.id, limit=2, newest=True)] == [11, 12]
    assert [e.version for e in await store.events(job.id, types=[EventType.STATUS])] == [1, 2]
    assert await store.events(job.id, after=99) == []


async def test_the_timeline_of_an_unknown_job_is_no_empty_list(store):
    with pytest.raises(JobNotFound):
        await store.events(uuid4())


async def test_an_artifact_is_kept_whole_and_deleted_with_its_job(store, service):
    job = await running(service)
    note = HandlerMessage(
        EventType.ARTIFACT, log_message="a.bin", data={"name": "a.bin", "media_type": "x/y"}, content=b"\x00\xff"
    )
    await store.record([Report(job.id, 1, [note])])
    [artifact] = await store.artifacts(job.id)

    assert (artifact.name, artifact.media_type, artifact.size_bytes) == ("a.bin", "x/y", 2)
    assert (await store.artifact_content(job.id, artifact.id))[1] == b"\x00\xff"

    await end_attempt(service, completed(job.id, 1, None))
    await service.delete(job.id)

    with pytest.raises(JobNotFound):
        await store.artifacts(job.id)
    assert await store.artifact_content(job.id, artifact.id) is None


@pytest.mark.parametrize("sort", list(SORTS))
async def test_a_job_knows_its_neighbours_in_a_list(store, service, sort):
    for priority in (0, 3, 0):
        await submitted(service, priority=priority)
    await running(service)
    wanted = JobFilter(statuses=(JobStatus.QUEUED,))
    jobs = (await store.page(wanted, sort=sort)).jobs

    found = [await store.neighbours(job, wanted, sort=sort) for job in jobs]

    ids = [job.id for job in jobs]
    assert found == [(None, ids[1]), (ids[0], ids[2]), (ids[1], None)]


async def test_the_oldest_queued_job_shows_how_long_the_queue_is(store, service):
    assert await store.oldest_queued_at() is None
    first = await submitted(service)
    await submitted(service)

    assert await store.oldest_queued_at() == first.queued_at


async def test_one_idempotency_key_is_for_one_batch_or_one_job(store):
    news = [NewJob(kind="noop", params={"n": n}, max_attempts=1) for n in range(3)]
    first, _ = await store.insert(news, once=Idempotency("k", "of three"))

    again, made = await store.insert(news, once=Idempotency("k", "of three"))

    assert (again, made) == (first, False)
    for others, digest in ((news[:1], "of one"), (news[:2], "of two"), ([*news, *news], "of six")):
        with pytest.raises(InvalidInput, match="another submission"):
            await store.insert(others, once=Idempotency("k", digest))
    assert len((await store.page()).jobs) == 3


async def test_a_batch_of_which_a_job_was_deleted_is_not_made_again_under_its_key(store, removal):
    news = [NewJob(kind="noop", params={"n": n}, max_attempts=1) for n in range(3)]
    first, _ = await store.insert(news, once=Idempotency("k", "digest"))

    for deleted in first[:2]:
        await removal.delete([deleted.job.id])
        with pytest.raises(InvalidInput, match=r"of its 3 jobs have been deleted since; take a new key"):
            await store.insert(news, once=Idempotency("k", "digest"))

    await removal.delete([first[2].job.id])
    _, made = await store.insert(news, once=Idempotency("k", "digest"))
    assert made


async def test_the_same_batch_sent_by_many_at_once_is_made_once(store):
    news = [NewJob(kind="noop", params={"n": n}, max_attempts=1) for n in range(50)]

    made = await asyncio.gather(*(store.insert(news, once=Idempotency("k", "digest")) for _ in range(6)))

    assert sorted(created for _, created in made) == [False] * 5 + [True]
    assert len({tuple(change.job.id for change in changes) for changes, _ in made}) == 1


async def test_a_freed_idempotency_key_may_be_used_again(store, removal):
    new = NewJob(kind="noop", params={}, max_attempts=1)
    [first], _ = await store.insert([new], once=Idempotency("k", "digest"))
    await removal.delete([first.job.id])

    [second], made = await store.insert([new], once=Idempotency("k", "digest"))

    assert made
    assert second.job.id != first.job.id
