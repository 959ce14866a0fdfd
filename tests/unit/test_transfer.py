"""A history is brought from one database into another, whole, however often it takes.

It is a little longer than one batch; the commands are run as processes, which is what the slower ones take.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest
from sqlalchemy import text

from runlane.core.attempts import HandlerMessage, Report, completed, failed
from runlane.core.counts import Counts
from runlane.core.insertion import NewJob
from runlane.core.store import Store
from runlane.db import engines, schema, transfer
from runlane.db.backup import back_up
from runlane.db.database import Database
from runlane.db.engines import Use
from runlane.errors import StartRefused
from runlane.kinds.settings_store import SettingsStore
from runlane.metrics.statistics import Statistics
from runlane.model.snapshot import JobError
from runlane.model.status import EventType, JobStatus
from runlane.schedules.store import ScheduleStore
from testbed import ROOT
from tests.support.jobs import running, submitted

pytestmark = pytest.mark.databases


@pytest.fixture
async def history(world, service, kind_settings, statistics, store):
    """Jobs in every status, with words, a file, a schedule, settings and figures; how many jobs."""
    done = await running(service, kind="web_agent")
    file = {"name": "a.bin", "media_type": "x/y"}
    notes = [
        HandlerMessage(EventType.PROGRESS, progress=12.345678901234567, message="Größe – 漢字"),
        HandlerMessage(EventType.ARTIFACT, log_message="A file.", data=file, content=bytes(range(256)) * 50),
    ]
    await store.record([Report(done.id, 1, notes)])
    big = {"big": 12345678901234567890123, "none": None, "nested": [1, 2.5, {"x": "é"}]}
    await store.record([completed(done.id, 1, big)])
    bad = await running(service)
    await store.record([failed(bad.id, 1, JobError(type="X", message="m", traceback="t"), retry_at=None)])
    await service.cancel((await submitted(service)).id)
    await running(service)
    await store.insert([NewJob(kind="noop", params={"n": n}, max_attempts=1) for n in range(transfer.BATCH + 100)])
    await statistics.roll_up(done.created_at)
    await submitted(service)
    await kind_settings.change_queue({"paused": True})
    return transfer.BATCH + 105


@pytest.fixture
def other_url(database_kind, tmp_path, session_postgres):
    """A database of the other kind, in which nothing is."""
    if database_kind == "postgresql":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    with session_postgres.scratch() as url:
        yield url


async def _all_of(url):
    database = Database(url)
    store = Store(database)
    counts = await Counts(database).all()
    jobs, cursor = {}, None
    while True:
        page = await store.page(limit=1000, cursor=cursor)
        jobs |= {job.id: job for job in page.jobs}
        if (cursor := page.next_cursor) is None:
            break
    timelines = {job_id: await store.events(job_id) for job_id, job in jobs.items() if job.kind == "web_agent"}
    schedules = await ScheduleStore(database).all()
    setting = await SettingsStore(database).queue()
    await database.close()
    return counts, jobs, timelines, schedules, setting


async def test_every_row_arrives_as_it_was(history, database_url, other_url):
    moved = {each.table: each for each in transfer.transfer(database_url, other_url)}

    assert moved["job"].rows == moved["job"].inserted == history
    assert moved["artifact"].rows == 1
    assert moved["stat_entry"].rows == 1
    assert moved["stat"].rows > 0
    assert await _all_of(other_url) == await _all_of(database_url)


async def test_it_goes_on_after_it_was_cut_off_and_follows_what_changed_meanwhile(
    history, service, database_url, other_url, store
):
    class CutOff(Exception):
        pass

    def cut_off(moved):
        if moved.table == "job":
            raise CutOff

    with pytest.raises(CutOff):
        transfer.transfer(database_url, other_url, cut_off)
    [job] = (await store.page(limit=1)).jobs
    await service.cancel(job.id)

    moved = {each.table: each for each in transfer.transfer(database_url, other_url)}

    assert (moved["job"].inserted, moved["job"].changed) == (0, 1)
    assert await _all_of(other_url) == await _all_of(database_url)
    assert {each.inserted for each in transfer.transfer(database_url, other_url)} == {0}


async def test_what_is_moved_can_be_worked_with(history, database_url, other_url):
    transfer.transfer(database_url, other_url)
    database = Database(other_url)
    store = Store(database)

    await store.insert([NewJob(kind="noop", params={}, max_attempts=1)])
    counted = await Statistics(database).roll_up((await store.page(limit=1)).jobs[0].created_at)

    assert counted == 2
    assert (await Counts(database).all())[JobStatus.QUEUED] == transfer.BATCH + 102
    await database.close()


async def test_a_database_with_another_history_is_not_touched(history, database_url, other_url):
    schema.migrate(other_url)
    database = Database(other_url)
    await Store(database).insert([NewJob(kind="noop", params={}, max_attempts=1)])
    await database.close()

    with pytest.raises(StartRefused, match="belongs to another history"):
        transfer.transfer(database_url, other_url)

    assert transfer.count_jobs(other_url) == 1


async def test_everything_is_lost_and_brought_back(history, database_url, tmp_path):
    before = await _all_of(database_url)
    backup = tmp_path / "backup.db"
    run(database_url, "backup", str(backup))
    transfer.empty(database_url)
    assert transfer.count_jobs(database_url) == 0

    restored = run(database_url, "restore", str(backup))

    assert f"Brought back {history:,} jobs" in restored.stdout
    assert await _all_of(database_url) == before
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]


def test_a_backup_is_one_sound_file_of_its_own_that_nobody_else_may_read(history, database_url, tmp_path):
    backup = tmp_path / "backup.db"

    assert back_up(database_url, backup) == history

    assert backup.stat().st_mode & 0o077 == 0
    with contextlib.closing(sqlite3.connect(backup)) as db:
        [[journal]] = db.execute("PRAGMA journal_mode").fetchall()
        [[soundness]] = db.execute("PRAGMA integrity_check").fetchall()
    assert (journal, soundness) == ("delete", "ok")


async def test_a_backup_replaces_nothing_unasked(history, database_url, tmp_path):
    backup = tmp_path / "backup.db"
    back_up(database_url, backup)

    refused = run(database_url, "restore", str(backup), code=2)
    again = run(database_url, "backup", str(backup), code=2)
    missing = run(database_url, "restore", str(tmp_path / "none.db"), code=2)
    replaced = run(database_url, "restore", "--replace", str(backup))

    assert f"holds {history:,} jobs" in refused.stderr
    assert "is there already" in again.stderr
    assert "There is no file" in missing.stderr
    assert "every row was compared" in replaced.stdout


async def test_what_is_no_backup_removes_nothing(history, database_url, tmp_path):
    words, no_jobs = tmp_path / "words.txt", tmp_path / "other.db"
    words.write_text("No backup. " * 1000)
    with contextlib.closing(sqlite3.connect(no_jobs)) as other:
        other.execute("CREATE TABLE recipe (name TEXT)")

    of_words = run(database_url, "restore", "--replace", str(words), code=2)
    of_another_product = run(database_url, "restore", "--replace", str(no_jobs), code=2)

    assert "words.txt is no backup" in of_words.stderr
    assert "other.db is no backup" in of_another_product.stderr
    assert transfer.count_jobs(database_url) == history
    assert {path.name for path in tmp_path.iterdir()} >= {"words.txt", "other.db"}
    assert not list(tmp_path.glob("*.restoring*"))


async def test_where_no_file_can_be_is_said_in_one_sentence(history, database_url, tmp_path):
    refused = run(database_url, "backup", str(tmp_path / "nowhere" / "backup.db"), code=2)

    assert "nowhere/backup.db.part cannot be used: No such file or directory" in refused.stderr


async def test_a_backup_that_fails_leaves_no_file(empty_url, tmp_path):
    refused = run(empty_url, "backup", str(tmp_path / "backup.db"), code=2)

    assert "lacks the tables of this version" in refused.stderr
    assert not list(tmp_path.glob("backup*"))


async def test_a_database_that_fails_half_way_is_told_of(history, database_url, other_url):
    def break_it(moved):
        if moved.table == "job":
            engine = engines.connect(other_url, Use.WRITE)
            with engine.begin() as db:
                db.execute(text("DROP TABLE stat"))
            engine.dispose()

    with pytest.raises(StartRefused, match=r"half way.*stat.*Run it again"):
        transfer.transfer(database_url, other_url, break_it)


def run(url, *words, code=0):
    """What the command says, of which nothing may be a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "runlane", *words],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done
