"""What lists ask of the database is answered from indexes in the order they show, however many jobs there are."""

from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.dialects import postgresql

from runlane.clock import utc_now
from runlane.core.insertion import NewJob
from runlane.core.pagination import SORTS
from runlane.core.transitions import job_table
from runlane.metrics.failures import Failures
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter, unusual
from runlane.search.query import parse

pytestmark = pytest.mark.databases

READS_ALL = {"sqlite": "SCAN job\n", "postgresql": "Seq Scan on job "}
SORTS_ALL = {"sqlite": "USE TEMP B-TREE FOR ORDER BY", "postgresql": "Sort Key"}
"""What a plan says of a statement that takes longer the more jobs there are."""
LIKELY = "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"
"""PostgreSQL reads and sorts a few rows rather than use an index; with many it is as with these switched off."""


@contextmanager
def plans_of_reads():
    """The plan of each SELECT that is executed in this block, by its statement."""
    plans = {}

    def explain(connection, cursor, statement, parameters, context, many):
        if not statement.startswith("SELECT"):
            return
        own = connection.connection.cursor()
        if connection.dialect.name == "postgresql":
            own.execute(LIKELY)
            own.execute(f"EXPLAIN {statement}", parameters)
            plans[statement] = "".join(f"{row[0]}\n" for row in own.fetchall())
        else:
            own.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans[statement] = "".join(f"{row[3]}\n" for row in own.fetchall())
        own.close()

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


@pytest.fixture
async def filled(store):
    news = [NewJob(kind="noop", params={"n": n}, max_attempts=1, priority=n % 3) for n in range(30)]
    await store.insert(news)
    return store


def with_signs(plans, *signs):
    """The statements whose plan has one of the signs."""
    return {statement: plan for statement, plan in plans.items() if any(sign in plan for sign in signs)}


def wrong(plans, database_kind):
    """The statements that read or sort every job."""
    return with_signs(plans, READS_ALL[database_kind], SORTS_ALL[database_kind])


async def test_a_statement_that_reads_and_sorts_every_job_is_noticed(filled, database, database_kind):
    query = select(job_table).where(job_table.c.message != "").order_by(job_table.c.message)

    with plans_of_reads() as plans:
        await database.read(lambda db: db.execute(query).all())

    assert len(wrong(plans, database_kind)) == 1


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("wanted", [{}, {"text": "needle"}, {"text": "attempt:>3"}, {"text": "slow:>1h"}], ids=str)
async def test_a_page_and_the_next_are_read_in_the_order_of_an_index(filled, database_kind, sort, wanted):
    with plans_of_reads() as plans:
        page = await filled.page(JobFilter(**wanted), sort=sort, limit=5)
        cursor = page.next_cursor or (await filled.page(sort=sort, limit=5)).next_cursor
        await filled.page(JobFilter(**wanted), sort=sort, limit=5, cursor=cursor)

    assert len(plans) >= 2
    assert wrong(plans, database_kind) == {}


@pytest.mark.parametrize(
    "wanted",
    [
        *(JobFilter(statuses=(status,)) for status in JobStatus),
        JobFilter(kinds=("noop",)),
        JobFilter(text="kind:noop"),
        JobFilter(text="after:2h"),
        JobFilter(text="before:1h"),
        JobFilter(text="-status:completed"),
        JobFilter(text="finished_after:1h"),
        JobFilter(text="priority:>5"),
    ],
    ids=lambda wanted: f"{wanted.statuses}{wanted.kinds}{wanted.text}",
)
async def test_a_filter_is_answered_in_the_order_of_an_index(filled, database_kind, wanted):
    with plans_of_reads() as plans:
        await filled.page(wanted, limit=5)

    assert plans
    assert wrong(plans, database_kind) == {}


async def test_what_pages_ask_beside_lists_is_answered_from_an_index(filled, counts, database, database_kind):
    [job] = (await filled.page(limit=1)).jobs

    with plans_of_reads() as plans:
        await counts.all()
        await counts.by_kind()
        await filled.neighbours(job)
        await filled.oldest_queued_at()
        await filled.run_times("noop", 50)
        await filled.running()
        await filled.events(job.id)
        await Failures(database).groups(utc_now())

    assert len(plans) >= 8
    assert with_signs(plans, READS_ALL[database_kind]) == {}


@pytest.mark.postgresql
async def test_jobs_that_took_long_are_found_by_index_though_the_server_estimates_many(store, plain_sql):
    plain_sql(
        "INSERT INTO job (id, kind, params, status, progress, message, attempt, max_attempts, priority, created_at, "
        "started_at, finished_at, version) SELECT gen_random_uuid(), 'noop', '{}', 'completed', 100, '', 1, 1, 0, "
        "now(), now() - make_interval(secs => 2 + n % 30), now(), 3 FROM generate_series(1, 20000) AS n"
    )
    plain_sql("ANALYZE job")
    [term] = parse("slow:>10h").terms
    query = str(unusual(term).limit(2001).compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))

    plan = "".join(f"{row[0]}\n" for row in plain_sql(f"EXPLAIN {query}"))

    assert "ix_job_took" in plan, plan
