"""What each word of a query finds among jobs in every state."""

from datetime import timedelta

import pytest
from pydantic import Field
from sqlalchemy import update

from runlane.clock import utc_now
from runlane.composition import compose
from runlane.core import reader as reader_module
from runlane.core.attempts import completed, failed
from runlane.core.insertion import NewJob
from runlane.core.pagination import SORTS
from runlane.core.transitions import job_table
from runlane.define.params import Params
from runlane.errors import InvalidInput
from runlane.kinds.catalogue import Catalogue
from runlane.model.requests import Submission
from runlane.model.snapshot import JobError
from runlane.search import text_index
from runlane.search.matching import JobFilter
from testbed.attempts import end_attempt, start_attempt
from tests.support.kinds import kind_of

pytestmark = pytest.mark.databases


class PageParams(Params):
    url: str = ""
    tags: list[str] = Field([])
    nested: dict[str, int] = Field({})


@pytest.fixture
async def named(world):
    """Five jobs, by what is special about each."""
    kinds = Catalogue(
        [
            kind_of(PageParams, "page", max_attempts=2, summary="Visit of {url}"),
            kind_of(PageParams, "report", max_attempts=2),
        ]
    )
    service = compose(world.database, world.queue, world.events, kinds, world.config).jobs

    async def submit(kind, priority=0, **params):
        job, _ = await service.submit(Submission(kind=kind, params=params, priority=priority))
        return job.id

    names = {
        "waiting": await submit("page", url="https://example.com/a", priority=7),
        "running": await submit("page", url="https://other.org", tags=["Ünder", "b"]),
        "done": await submit("report", nested={"size": 42}),
        "failed": await submit("report", url="50% off_now"),
        "cancelled": await submit("page"),
    }
    for name in ("running", "done", "failed"):
        await start_attempt(service, names[name], f"worker-of-{name}")
    await end_attempt(service, completed(names["done"], 1, {"pages": [{"title": "Hello"}]}))
    error = JobError(type="TimedOut", message="It ran longer than 5 seconds.")
    await end_attempt(service, failed(names["failed"], 1, error, retry_at=None))
    await service.cancel(names["cancelled"])
    return names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {"waiting", "running", "done", "failed", "cancelled"}),
        ("status:failed", {"failed"}),
        ("status:failed,running", {"failed", "running"}),
        ("-status:failed,running", {"waiting", "done", "cancelled"}),
        ("kind:page", {"waiting", "running", "cancelled"}),
        ("kind:page -status:cancelled", {"waiting", "running"}),
        ("error:timedout", {"failed"}),
        ('error:"longer than"', {"failed"}),
        ("-error:timedout", {"waiting", "running", "done", "cancelled"}),
        ("params.url:EXAMPLE", {"waiting"}),
        ("params.tags.0:Ünder", {"running"}),
        ("params.tags.1:b", {"running"}),
        ("params.nested.size:42", {"done"}),
        ("params:50%", {"failed"}),
        ("params:off_now", {"failed"}),
        ("params:offxnow", set()),
        ("-params.url:example", {"running", "done", "failed", "cancelled"}),
        ("result.pages.0.title:hello", {"done"}),
        ("result:hello", {"done"}),
        ("worker:of-done", {"done"}),
        ("message:completed", {"done"}),
        ("priority:>5", {"waiting"}),
        ("priority:7", {"waiting"}),
        ("attempt:1", {"waiting", "running", "done", "failed", "cancelled"}),
        ("attempt:>=2", set()),
        ("after:1h", {"waiting", "running", "done", "failed", "cancelled"}),
        ("before:1h", set()),
        ("finished_after:1h", {"done", "failed", "cancelled"}),
        ("finished_after:1h -status:failed finished_before:2200-01-01", {"done", "cancelled"}),
        ("-finished_after:1h", {"waiting", "running"}),
        ("finished_after:2200-01-01", set()),
        ("finished_before:1h", set()),
        ("slow:<1h", {"running", "done", "failed"}),
        ("slow:>1h", set()),
        ("slow:1h", set()),
        ("report size", {"done"}),
        ("visit", {"waiting", "running", "cancelled"}),
        ('"visit of https://other"', {"running"}),
    ],
)
async def test_a_query_finds_the_jobs_that_match_it(named, store, text, found):
    page = await store.page(JobFilter(text=text))

    assert {job.id for job in page.jobs} == {named[name] for name in found}
    assert await store.count(JobFilter(text=text)) == len(found)


async def test_a_span_in_which_many_ended_is_found_too(named, store, monkeypatch):
    monkeypatch.setattr(text_index, "RARE", 1)

    page = await store.page(JobFilter(text="finished_after:1h", finished_before=utc_now()))

    assert {job.id for job in page.jobs} == {named[name] for name in ("done", "failed", "cancelled")}


async def make_unusual(named, database):
    """One job that was tried often and took long, and one that has run for long."""
    long_ago = utc_now() - timedelta(hours=20)
    often = update(job_table).where(job_table.c.id == named["done"]).values(attempt=60, started_at=long_ago)
    still = update(job_table).where(job_table.c.id == named["running"]).values(started_at=long_ago)
    await database.write(lambda db: [db.execute(statement) for statement in (often, still)])


@pytest.mark.parametrize("rare", [0, 2000])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("attempt:>50", {"done"}),
        ("attempt:60", {"done"}),
        ("attempt:>60", set()),
        ("-attempt:>50", {"waiting", "running", "failed", "cancelled"}),
        ("attempt:<2", {"waiting", "running", "failed", "cancelled"}),
        ("slow:>10h", {"done", "running"}),
        ("slow:10h status:running", {"running"}),
        ("slow:>=10h attempt:>1", {"done"}),
        ("slow:>30h", set()),
        ("slow:<10h", {"failed"}),
    ],
)
async def test_what_is_unusual_is_found_with_its_index_and_without(
    named, store, database, monkeypatch, text, found, rare
):
    await make_unusual(named, database)
    monkeypatch.setattr(text_index, "RARE", rare)

    assert set(await store.matching_ids(JobFilter(text=text))) == {named[name] for name in found}


@pytest.mark.parametrize("near", [0, 1, 3, 2000])
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_are_the_same_however_far_they_are_read_before_an_index_is_searched(store, monkeypatch, sort, near):
    texts = ["walrus" if place % 3 == 0 else "seal" for place in range(12)]
    news = [
        NewJob(kind="noop", params={"text": text}, max_attempts=1, priority=place % 2)
        for place, text in enumerate(texts)
    ]
    changes, _ = await store.insert(news)
    column = sort.removeprefix("-")
    ordered = sorted(
        (change.job for change in changes if change.job.params["text"] == "walrus"),
        key=lambda job: (getattr(job, column), job.id),
        reverse=sort.startswith("-"),
    )
    monkeypatch.setattr(reader_module, "NEAR", near)

    found, cursor = [], None
    for _ in range(len(ordered)):
        page = await store.page(JobFilter(text="params.text:walrus"), sort=sort, limit=1, cursor=cursor)
        found += [job.id for job in page.jobs]
        cursor = page.next_cursor

    assert found == [job.id for job in ordered]
    assert cursor is None


async def test_the_case_of_other_letters_than_ascii_is_folded_where_the_database_can(named, store, database_kind):
    found = (await store.page(JobFilter(text="params.tags.0:ünder"))).jobs

    assert [job.id for job in found] == ([] if database_kind == "sqlite" else [named["running"]])


async def test_a_job_is_found_by_the_beginning_or_the_end_of_its_id(named, store):
    job_id = str(named["done"])

    for text in (job_id, job_id[:-3], job_id[-8:], f"id:{job_id[-8:]}", f"id:{job_id}"):
        assert [job.id for job in (await store.page(JobFilter(text=text))).jobs] == [named["done"]]
    assert (await store.page(JobFilter(text="id:nothex"))).jobs == []


async def test_how_long_a_job_has_run_counts_while_it_runs(named, store):
    at = utc_now()

    assert at - (await store.get(named["running"])).started_at < timedelta(seconds=30)
    assert (await store.page(JobFilter(text="slow:>0s status:running"))).jobs


async def test_a_query_that_cannot_be_read_is_refused(store):
    with pytest.raises(InvalidInput, match="There is no field"):
        await store.page(JobFilter(text="nonsense:1"))
