"""The index of words never hides a job, however far behind it is, and contains nothing that is deleted."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runlane.clock import utc_now
from runlane.core.attempts import completed
from runlane.core.deletion import UNDO_WITHIN
from runlane.core.insertion import NewJob
from runlane.core.transitions import job_table
from runlane.db.engines import Use, connect
from runlane.model.requests import JobPatch
from runlane.search import text_index
from runlane.search.matching import JobFilter
from runlane.search.text_index import RARE, TextIndex, candidates
from testbed.attempts import end_attempt
from tests.support.jobs import running, submitted

pytestmark = pytest.mark.databases


@pytest.fixture
def index(database):
    return TextIndex(database)


@pytest.fixture
def named(database):
    """What the index alone names for words."""
    return lambda *words: database.read(lambda db: candidates(db, [[word] for word in words]))


@pytest.fixture
def has_index(plain_sql, database_kind):
    """Whether this database can have one: SQLite has none, nor has a PostgreSQL without the extension."""
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
    return database_kind == "postgresql" and bool(plain_sql(available))


async def found(store, words):
    return set(
        await store.matching_ids(JobFilter(text=words))
    )  # a list reads its next jobs before it searches an index


async def jobs_with(store, *texts):
    """A job each, with a text among its parameters."""
    changes, _ = await store.insert([NewJob(kind="noop", params={"text": text}, max_attempts=1) for text in texts])
    return [change.job.id for change in changes]


async def test_only_jobs_that_may_contain_a_word_are_read(store, index, named, has_index):
    apple, pear, _ = await jobs_with(store, "an apple", "a pear", "nothing")
    assert await index.catch_up() == (3 if has_index else 0)

    named_by_it = [await named("apple"), await named("PEAR"), await named("apple", "pear"), await named("plum")]

    assert named_by_it == ([{apple}, {pear}, set(), set()] if has_index else [None] * 4)
    assert await index.catch_up() == 0


async def test_what_changed_since_is_found_before_it_is_indexed(service, store, index, has_index):
    job = await submitted(service, kind="web_agent", params={"start_url": "https://example.com/first"})
    await index.catch_up()

    await service.edit(job.id, JobPatch(params={"start_url": "https://example.com/second"}))

    assert await found(store, "example.com/second") == {job.id}
    assert await found(store, "example.com/first") == set()
    assert await index.catch_up() == (1 if has_index else 0)
    assert await found(store, "example.com/second") == {job.id}
    assert await found(store, "example.com/first") == set()


async def test_what_a_running_job_reports_is_found_and_what_it_ended_with_is_indexed(
    service, store, index, named, has_index
):
    job = await running(service)
    await index.catch_up()
    assert await found(store, "started") == {job.id}

    await end_attempt(service, completed(job.id, 1, {"title": "a walrus"}))
    assert await found(store, "result:walrus") == {job.id}
    assert await index.catch_up() == (1 if has_index else 0)

    assert await found(store, "result.title:walrus") == {job.id}
    assert await named("walrus") == ({job.id} if has_index else None)


@pytest.mark.postgresql
async def test_deleted_jobs_leave_nothing_behind(service, store, index, plain_sql, has_index, removal):
    job = await submitted(service, kind="noop")
    await index.catch_up()
    assert plain_sql("SELECT count(*) FROM job_text") == [(1 if has_index else 0,)]

    await service.delete(job.id)
    await removal.purge(utc_now() + 2 * UNDO_WITHIN)
    await index.catch_up()

    assert plain_sql("SELECT count(*) FROM job_text") == [(0,)]
    assert plain_sql("SELECT count(*) FROM text_entry") == [(0,)]


async def test_a_job_that_was_brought_back_is_found(service, store, index):
    [job_id] = await jobs_with(store, "a walrus")
    await service.delete(job_id)
    await index.catch_up()
    assert await found(store, "walrus") == set()

    await service.restore(job_id)

    assert await found(store, "walrus") == {job_id}
    await index.catch_up()
    assert await found(store, "walrus") == {job_id}


async def test_words_beyond_what_is_indexed_are_found(store, index):
    [long, _] = await jobs_with(store, "word " * text_index.MAX_TEXT_LENGTH + "walrus", "short")
    await index.catch_up()

    assert await found(store, "walrus") == {long}


async def test_a_job_is_found_by_any_part_of_its_id_that_is_asked_for(store, index, named, has_index):
    job_id, _ = await jobs_with(store, "one", "other")
    await index.catch_up()

    for words in (
        str(job_id),
        str(job_id).upper(),
        job_id.hex,
        job_id.hex[-8:],
        f"id:{job_id}",
        f"id:{job_id.hex[-8:]}",
    ):
        assert await found(store, words) == {job_id}
    assert await named(job_id.hex[-8:]) == ({job_id} if has_index else None)


async def test_common_words_are_searched_without_it(store, index, named, monkeypatch):
    ids = await jobs_with(store, *["walrus"] * 3)
    await index.catch_up()
    monkeypatch.setattr(text_index, "RARE", 2)

    assert await named("walrus") is None
    assert await found(store, "walrus") == set(ids)


async def test_an_index_that_is_far_behind_hides_nothing(store, named):
    await store.insert([NewJob(kind="noop", params={}, max_attempts=1)] * RARE)
    [last] = await jobs_with(store, "walrus")

    assert await named("walrus") is None
    assert await found(store, "walrus") == {last}


@pytest.mark.postgresql
async def test_what_a_transaction_notes_that_is_still_open_is_not_lost(store, index, database_url):
    """The job's first note is taken while its next change is not committed yet."""
    [job_id] = await jobs_with(store, "before")
    other = connect(database_url, Use.WRITE)
    change = job_table.update().where(job_table.c.id == job_id).values(params={"text": "walrus"})
    with other.begin() as db:
        db.execute(change)
        await index.catch_up()
    other.dispose()

    assert await found(store, "walrus") == {job_id}
    await index.catch_up()
    assert await found(store, "walrus") == {job_id}
    assert await found(store, "before") == set()


TEXTS = st.text(st.sampled_from('aAbB1.e-/"\\%_é İß\n'), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6), word=TEXTS.filter(str.strip), path=st.booleans())
async def test_with_the_index_the_same_is_found_as_without(store, index, database, texts, word, path):
    await database.write(lambda db: db.execute(job_table.delete()))
    await jobs_with(store, *texts)
    query = ("params.text:" if path else "") + '"' + word.replace("\\", r"\\").replace('"', r"\"") + '"'

    without = await found(store, query)
    await index.catch_up()

    assert await found(store, query) == without


async def test_a_value_is_found_by_its_path_however_its_json_is_written(store, index, plain_sql):
    _, words = await jobs_with(store, "one", "two")
    rewrite = "UPDATE job SET params = :params WHERE CAST(params AS TEXT) LIKE :before"
    plain_sql(rewrite, params='{"text": 1e3}', before="%one%")
    plain_sql(rewrite, params=r'{"text": "caf\u00e9 \/ bar"}', before="%two%")
    queries = ("params.text:1e3", "params.text:1000", 'params.text:"café / bar"')
    without = [await found(store, query) for query in queries]

    await index.catch_up()

    assert [await found(store, query) for query in queries] == without
    assert without[2] == {words}


@pytest.mark.postgresql
async def test_without_its_index_every_word_is_still_found(store, index, named, plain_sql):
    [job_id] = await jobs_with(store, "walrus")
    plain_sql("DROP INDEX IF EXISTS ix_job_text_words")

    assert await index.catch_up() == 0
    assert await named("walrus") is None
    assert await found(store, "walrus") == {job_id}
